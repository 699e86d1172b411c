"""What a shell asks when its user presses the tab key, answered in the words of its script."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Final

from featurectl.cli.all_commands import COMMANDS, build_parser
from featurectl.cli.command_line import WITH_VALUE, read_command_line

VARIABLE: Final = "_FEATURECTL_COMPLETE"
PROGRAM: Final = "featurectl"
_BASH: Final = "complete_bash"
_SIGNS: Final = ":=@"  # at which bash takes words apart
_WITH_EQUALS: Final = tuple(f"{name}=" for name in WITH_VALUE if name.startswith("--"))
_ANY_COMMAND: Final = "version"  # with the options of every command, and no others
_ARGUMENTS: Final = "_TYPER_COMPLETE_ARGS"  # of zsh, fish and PowerShell


def is_completing(environ: Mapping[str, str]) -> bool:
    """Return whether a shell asks how a command line may go on."""
    return environ.get(VARIABLE, "").startswith("complete_")


def complete_line(environ: MutableMapping[str, str]) -> int:
    """Write how the line of the shell's variables may go on, and return the exit code that the shell is to see."""
    printed, code, prefix = io.StringIO(), 0, ""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(nowhere):
                words, prefix = read_shell(environ)
                build_parser(words, is_completing=True)([], prog_name=PROGRAM, standalone_mode=False)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException as error:
            code = getattr(error, "exit_code", 0)
    for line in printed.getvalue().splitlines():
        sys.stdout.write(line.removeprefix(prefix) + "\n")
    return code


def read_shell(environ: MutableMapping[str, str]) -> tuple[list[str], str]:
    """Return the words before the one that is completed, in the parser's order, and what is written of it already.

    The shell's variables have them then.
    """
    if environ[VARIABLE] == _BASH:
        return _read_bash(environ)
    text = environ.get(_ARGUMENTS, "")
    words = _split(text)[1:]
    before, current = (words, []) if text.endswith(" ") or not words else (words[:-1], words[-1:])
    ordered = _in_order(before, "".join(current))
    environ[_ARGUMENTS] = shlex.join([PROGRAM, *ordered, *current]) + ("" if current else " ")
    return ordered, ""


def _read_bash(environ: MutableMapping[str, str]) -> tuple[list[str], str]:
    """Return the same of bash, which takes `view:feature`, `view@2` and `key=value` apart.

    It wants what comes behind the last colon or equals sign, and from the last at sign on.
    """
    words, at = _split(environ.get("COMP_WORDS", "")), int(environ.get("COMP_CWORD", "0"))
    last = words[at] if at < len(words) else ""
    *before, current = _joined([*words[1:at], last])
    prefix = (current if last and set(last) <= set(_SIGNS) else current.removesuffix(last)).removesuffix("@")
    ordered = _in_order(before, current)
    environ["COMP_WORDS"], environ["COMP_CWORD"] = shlex.join([PROGRAM, *ordered, current]), str(len(ordered) + 1)
    return ordered, prefix


def _in_order(before: Sequence[str], current: str) -> list[str]:
    """Return the words before the one that is completed, in the parser's order.

    Where that is the value of an option that stands before the command, they name a command, for the parser
    completes no such option without one.
    """
    line = read_command_line(before)
    is_value = (before[-1:] and before[-1] in WITH_VALUE) or current.startswith(_WITH_EQUALS)
    if not is_value or line.rest or " ".join(line.name) in COMMANDS:
        return line.in_order()
    return [_ANY_COMMAND, *line.options]


def _joined(words: Sequence[str]) -> list[str]:
    """Return words that were taken apart at signs, the way they are written.

    >>> _joined(["show", "spend", "@", "1", ":", "count", "customer", "=", ""])
    ['show', 'spend@1:count', 'customer=']
    """
    joined: list[str] = []
    is_open = False  # a sign was the last
    for word in words:
        is_sign = bool(word) and set(word) <= set(_SIGNS)
        if joined and (is_open or is_sign):
            joined[-1] += word
        else:
            joined.append(word)
        is_open = is_sign
    return joined


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is still open
        return text.split()
