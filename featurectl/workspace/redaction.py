"""What a command says on stderr and leaves in a crash log, without the secrets of its addresses; so its processes.

Messages are made without secrets where they are made; this is for what others wrote: the tracebacks of `--debug`, the
words of drivers, warnings of libraries.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TextIO

_MOST_BYTES: Final = 1_000_000
Hide = Callable[[str], str]


@contextmanager
def hiding_secrets(words: Sequence[str]) -> Iterator[Hide]:
    """Write to stderr without secrets until the end of the block; give what takes them out of a text.

    Secrets are those of the command line's addresses, of the variables of the environment, and of the addresses in
    featurectl.yaml. Nobody looks for them before there is something to say.
    """
    hide, stream = _Hider(words), sys.stderr
    if stream is not None:  # else the caller has closed it
        sys.stderr = _HidingStream(stream, hide)
    try:
        yield hide
    finally:
        sys.stderr = stream


def hide_secrets(root: Path) -> None:
    """Write to stderr without the secrets of a repository from now on, in a process that a command has started.

    So do the loggers that were set up before.
    """
    import logging

    below = sys.stderr
    if below is None:
        return
    sys.stderr = _HidingStream(below, _Hider(["--repo", str(root)]))
    loggers = (logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger))
    for handler in (handler for logger in (logging.getLogger(), *loggers) for handler in logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream is below:
            handler.setStream(sys.stderr)


class _Hider:
    """Takes the secrets of a command out of texts."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def __call__(self, text: str) -> str:
        from featurectl.core.secrets import hide

        return hide(text, self._secrets)

    @cached_property
    def _secrets(self) -> frozenset[str]:
        from featurectl.core.secrets import address_secrets, variable_secrets

        texts = [*self._words, self._project()]
        return frozenset(variable_secrets(os.environ).union(*map(address_secrets, texts)))

    def _project(self) -> str:
        """Return the project file with its variables filled, those of them that are set; empty when there is none."""
        from featurectl.core.errors import UsageError
        from featurectl.core.variables import expand_set
        from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_own_file
        from featurectl.workspace.open import find_root

        try:
            content = read_own_file(find_root(self._folder()), "featurectl.yaml", _MOST_BYTES)
        except (UsageError, NotOwnFileError, FileTooLargeError, OSError, ValueError):
            return ""
        return expand_set(content.decode(errors="replace"), os.environ)

    def _folder(self) -> Path | None:
        for number, word in enumerate(self._words):
            if word in ("-C", "--repo") and number + 1 < len(self._words):
                return Path(self._words[number + 1])
            if word.startswith("--repo="):
                return Path(word.partition("=")[2])
        return None


class _HidingStream:
    """A stream of text that hides secrets; in all else it is the one below it."""

    def __init__(self, below: TextIO, hide: Hide) -> None:
        self._below = below
        self._hide = hide

    def write(self, text: str) -> int:
        self._below.write(self._hide(text))
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)
