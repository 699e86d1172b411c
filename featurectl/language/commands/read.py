"""A command line in a file, read as the real command line reads it: what is wrong with it, and where in the text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from featurectl.core.nearest import did_you_mean
from featurectl.language.commands.forms import ArgumentForm, CommandForm, OptionForm, ValueType, command_forms

_NUMBERS: Final = {"int": int, "float": float}
_WORDS_OF_TYPES: Final = {"int": "a whole number", "float": "a number"}
_OF_A_SHELL: Final = ("|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1")
_PROGRAM: Final = "featurectl"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command line, and the characters of the text that it stands on."""

    text: str
    start: int
    end: int


class WrongCommandError(Exception):
    """A command line that the program would refuse: what is wrong, where, and what was probably meant."""

    def __init__(self, message: str, word: Word, *, suggestion: str = "", note: str = "") -> None:
        super().__init__(message)
        self.message, self.word, self.suggestion, self.note = message, word, suggestion, note


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCommand:
    """A command line that the program takes: its command, the words of arguments by name, the options that are given.

    `options` are by the first flag of each, in the order of the text; the value of one without is "".
    """

    form: CommandForm
    words: tuple[str, ...]
    arguments: tuple[tuple[ArgumentForm, Word], ...]
    options: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The whole name of the command: `models canary start`."""
        return self.form.name

    def has(self, flag: str) -> bool:
        """Return whether an option is given, by any of its flags."""
        return any(given == self.form.options[flag].flag for given, _ in self.options if flag in self.form.options)

    def named(self, argument: str) -> list[str]:
        """Return what is given for an argument."""
        return [word.text for form, word in self.arguments if form.name == argument]


def read_command(text: str) -> ReadCommand:
    """Return the command line of a text, without `featurectl`.

    >>> read = read_command("train late_arrival --from-version 3")
    >>> read.name, read.named("MODEL"), read.options
    ('train', ['late_arrival'], (('--from-version', '3'),))

    Raises:
        WrongCommandError: the program would refuse it.
    """
    words = split_words(text)
    form, rest = _command(words, Word(text, 0, len(text)))
    reader = _Reader(form, rest, words[-1])
    reader.read()
    return ReadCommand(
        form=form,
        words=tuple(word.text for word in words),
        arguments=tuple(reader.arguments),
        options=tuple(reader.options),
    )


def split_words(text: str) -> list[Word]:
    """Return the words of a text as a shell cuts it, with quotes and escapes, and nothing else of a shell.

    >>> [(word.text, word.start) for word in split_words("score m --out 'a b'")]
    [('score', 0), ('m', 6), ('--out', 8), ('a b', 14)]

    Raises:
        WrongCommandError: a quotation has no end.
    """
    return list(_split(text))


def _split(text: str) -> Iterator[Word]:
    stream = StringIO(text)
    lexer = shlex.shlex(stream, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    at = 0
    while True:
        start = at + len(text[at:]) - len(text[at:].lstrip())
        try:
            token = lexer.get_token()
        except ValueError as error:
            raise WrongCommandError(f"{error}".lower(), Word(text[start:], start, len(text))) from None
        if token is None:
            return
        at = stream.tell()
        yield Word(token, start, _end(text, start, at))


def _end(text: str, start: int, at: int) -> int:
    """Return where a word ends that was read up to a place: an escaped space is a part of it."""
    word = text[start:at].rstrip()
    escapes = len(word) - len(word.rstrip("\\"))
    return start + len(word) + escapes % 2


def with_single_spaces(text: str) -> str:
    """Return a command line with one space between two words, each as it is written.

    >>> with_single_spaces("get  v   key='a  b'")
    "get v key='a  b'"
    """
    try:
        return " ".join(text[word.start : word.end] for word in split_words(text))
    except WrongCommandError:  # said where it is read
        return text


def _command(words: Sequence[Word], whole: Word) -> tuple[CommandForm, Sequence[Word]]:
    """Return which command the first words name, and the words behind it."""
    forms = command_forms()
    if not words:
        raise WrongCommandError("a command is missing", whole)
    if words[0].text == _PROGRAM:
        raise WrongCommandError("the name of the program is left out", words[0], note="a command begins with its name")
    for count in range(1, len(words) + 1):
        name = " ".join(word.text for word in words[:count])
        if name in forms:
            return forms[name], words[count:]
        if not any(known.startswith(f"{name} ") for known in forms):
            before = " ".join(word.text for word in words[: count - 1])
            raise _no_command(before, words[count - 1])
    name = " ".join(word.text for word in words)
    raise WrongCommandError(f"{name}: which command?", words[-1], note=f"commands: {', '.join(_below(name))}")


def _no_command(before: str, word: Word) -> WrongCommandError:
    known = _below(before)
    suggestion = did_you_mean(word.text, known)
    note = "" if suggestion else f"commands: {', '.join(known)}"
    what = f"{before} has no command" if before else "no command"
    return WrongCommandError(f'{what} "{word.text}"', word, suggestion=suggestion, note=note)


def _below(name: str) -> list[str]:
    """Return the next words of the commands that begin with some words."""
    begin = f"{name} " if name else ""
    return list(dict.fromkeys(k.removeprefix(begin).split()[0] for k in command_forms() if k.startswith(begin)))


class _Reader:
    """Reads what stands behind a command's name: options anywhere, the rest arguments."""

    def __init__(self, form: CommandForm, words: Sequence[Word], last: Word) -> None:
        self._form, self._words, self._last = form, list(words), last
        self.arguments: list[tuple[ArgumentForm, Word]] = []
        self.options: list[tuple[str, str]] = []
        self._last_values: dict[str, tuple[str, OptionForm, Word]] = {}

    def read(self) -> None:
        """Read all words, or raise what is wrong with the first that is."""
        loose: list[Word] = []
        waiting = list(reversed(self._words))
        while waiting:
            word = waiting.pop()
            if word.text == "--":
                loose += reversed(waiting)
                break
            if word.text.startswith("-") and word.text != "-":
                self._option(word, waiting)
            else:
                loose.append(word)
        for flag, option, value in self._last_values.values():  # of an option that is repeated the last value counts
            _check_value(flag, option, value)
        self._fill(loose)
        for option in self._form.options.values():
            if option.required and all(flag != option.flag for flag, _ in self.options):
                raise WrongCommandError(f"{self._form.name} needs {option.flag}", self._last)

    def _option(self, word: Word, waiting: list[Word]) -> None:
        if not word.text.startswith("--"):
            self._short(word, waiting)
            return
        flag, equals, value = word.text.partition("=")
        option = self._found(flag, word)
        if option.value is None and equals:
            raise WrongCommandError(f"{flag} takes no value", word)
        self._take(option, flag, Word(value, word.start, word.end) if equals else None, word, waiting)

    def _short(self, word: Word, waiting: list[Word]) -> None:
        """Read `-q`, `-qv`, `-o json` or `-ojson`."""
        at = 1
        while at < len(word.text):
            flag = f"-{word.text[at]}"
            option = self._found(flag, word)
            at += 1
            rest = Word(word.text[at:], word.start, word.end) if option.value and at < len(word.text) else None
            self._take(option, flag, rest, word, waiting)
            if rest is not None:
                return

    def _found(self, flag: str, word: Word) -> OptionForm:
        option = self._form.options.get(flag)
        if option is None:
            known = [known for known in self._form.options if known.startswith("--")]
            suggestion = did_you_mean(flag, known)
            note = "" if suggestion else f"options: {', '.join(known)}"
            raise WrongCommandError(f"{self._form.name} has no option {flag}", word, suggestion=suggestion, note=note)
        return option

    def _take(self, option: OptionForm, flag: str, value: Word | None, word: Word, waiting: list[Word]) -> None:
        if option.value is None:
            self.options.append((flag, ""))
            return
        if value is None:
            if not waiting:
                raise WrongCommandError(f"{flag} needs a value", word)
            value = waiting.pop()
        self._last_values[option.flag] = (flag, option, value)
        self.options.append((option.flag, value.text))

    def _fill(self, loose: Sequence[Word]) -> None:
        """Give each word to its argument: one that takes many gets what the others leave."""
        forms, words = list(self._form.arguments), list(loose)
        for place, form in enumerate(forms):
            later = sum(other.required for other in forms[place + 1 :])
            count = max(len(words) - later, 0) if form.many else min(len(words), 1)
            if form.required and not count:
                raise WrongCommandError(f"{self._form.name} needs {form.name}", self._last)
            for word in words[:count]:
                _check_type(form.name, form.value, word)
                self.arguments.append((form, word))
            del words[:count]
        if words:
            note = "no shell reads a command" if words[0].text in _OF_A_SHELL else ""
            raise WrongCommandError(f'{self._form.name} takes no "{words[0].text}"', words[0], note=note)


def _check_value(flag: str, option: OptionForm, word: Word) -> None:
    assert option.value is not None
    _check_type(flag, option.value, word)
    if option.choices and word.text not in option.choices:
        suggestion = did_you_mean(word.text, option.choices)
        message, note = f'{flag} "{word.text}" is not one of its values', f"values: {', '.join(option.choices)}"
        raise WrongCommandError(message, word, suggestion=suggestion, note=note)
    if option.least is not None and float(word.text) < option.least:
        raise WrongCommandError(f'{flag} "{word.text}" is less than {option.least:.15g}', word)
    if option.most is not None and float(word.text) > option.most:
        raise WrongCommandError(f'{flag} "{word.text}" is more than {option.most:.15g}', word)


def _check_type(name: str, value: ValueType, word: Word) -> None:
    try:
        _NUMBERS.get(value, str)(word.text)
    except ValueError:
        raise WrongCommandError(f'{name} "{word.text}" is not {_WORDS_OF_TYPES[value]}', word) from None
