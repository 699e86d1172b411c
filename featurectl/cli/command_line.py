"""A command line as people write it, put into the one order that the parser reads: a command, then its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.cli.all_commands import COMMANDS, VERSION

WITH_VALUE: Final = ("-C", "--repo", "--env", "-o", "--output", "--color")  # of the options that every command has
FLAGS: Final = ("-q", "--quiet", "-v", "--verbose", "--debug")
HELP: Final = "help"
_OF_PROGRAM: Final = (*VERSION, "-h", "--help")
_FORM: Final = ("-o", "--output")
_SHORT: Final = ("-C", "-o")  # whose value may stand in the same word: -ojson


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """The words of a command's name, the options of every command that stood before or within it, and what follows."""

    name: tuple[str, ...]
    options: tuple[str, ...]
    rest: tuple[str, ...]

    def in_order(self) -> list[str]:
        """Return the words as the parser reads them: what stands further behind wins, as it does for the parser."""
        if " ".join(self.name) in COMMANDS:
            return [*self.name, *self.options, *self.rest]
        if not self.rest or self.rest[0].startswith("-"):  # a group, or the program: neither has these options
            return self._of_version() or [*self.name, *self.rest]
        return [*self.name, self.rest[0], *self.options, *self.rest[1:]]

    @property
    def command(self) -> str:
        """The name of the command, or the word that stands where one is expected; "": no word does."""
        return " ".join(self.name) or next((word for word in self.rest[:1] if not word.startswith("-")), "")

    def _of_version(self) -> list[str]:
        """Return the command `version` where its option is given, and a form of output that only the command has."""
        has_form = any(word.startswith(_FORM) for word in self.options)
        is_version = not self.name and len(self.rest) == 1 and self.rest[0] in VERSION
        return ["version", *self.options] if has_form and is_version else []


def read_command_line(words: Sequence[str]) -> CommandLine:
    """Return the parts of a command line; `help plan` is `plan --help`.

    >>> read_command_line(["-C", "shop", "models", "--env=prod", "list", "-q"]).in_order()
    ['models', 'list', '-C', 'shop', '--env=prod', '-q']
    >>> read_command_line(["help", "models", "promote"]).in_order()
    ['models', 'promote', '--help']
    """
    line = _split(words)
    if line.name or line.rest[:1] != (HELP,):
        return line
    asked = _split(line.rest[1:])
    if not asked.name and not asked.rest:
        return CommandLine(name=(), options=(), rest=("--help",))
    return CommandLine(name=asked.name, options=(), rest=(*asked.rest, "--help"))


def _split(words: Sequence[str]) -> CommandLine:
    name: tuple[str, ...] = ()
    options: list[str] = []
    at = 0
    while at < len(words):
        if taken := _option_words(words[at]):
            options += words[at : at + taken]
        elif _begins_a_command((*name, words[at])):
            name, taken = (*name, words[at]), 1
        else:
            break
        at += taken
    line = CommandLine(name=name, options=tuple(options), rest=tuple(words[at:]))
    return _with_last_options(line) if not name and line.rest[:1] and line.rest[0] in _OF_PROGRAM else line


def _with_last_options(line: CommandLine) -> CommandLine:
    """Return a line that begins with an option of the program, with those of every command behind it as options."""
    behind = _split(line.rest[1:])
    if behind.name or behind.rest:
        return line
    return CommandLine(name=(), options=(*line.options, *behind.options), rest=line.rest[:1])


def _option_words(word: str) -> int:
    """Return how many words an option of every command takes that begins with a word: 0 where none does."""
    if word in WITH_VALUE:
        return 2
    long, equals, _ = word.partition("=")
    if word in FLAGS or (equals and long.startswith("--") and long in WITH_VALUE):
        return 1
    bundled = len(word) > 2 and word[0] == "-" and word[1] != "-" and all(f"-{letter}" in FLAGS for letter in word[1:])
    return int(bundled or (word.startswith(_SHORT) and not word.startswith("--")))


def _begins_a_command(name: tuple[str, ...]) -> bool:
    return any(tuple(command.split()[: len(name)]) == name for command in COMMANDS)
