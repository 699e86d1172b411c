"""The files that a pattern means, found in one walk: no folder is looked into twice, however many `**` there are."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MOST_PARTS: Final = 64
_MOST_LINKS: Final = 10_000
_MEANT: Final = re.compile(r"[*?\[]")
_ANY_DEPTH: Final = "**"


class PatternError(Exception):
    """A pattern that is not looked for; the text says why."""


@dataclass(slots=True)
class _Walk:
    """The parts of a pattern, and which folders are still to be looked into, each with the parts that may come next."""

    tests: Sequence[Callable[[str], object] | None]  # of each part; None: the part is a name
    parts: Sequence[str]
    check: Callable[[str], object]  # of a link, before anybody looks where it leads
    waiting: list[tuple[str, frozenset[int]]] = field(default_factory=list)
    links: int = 0

    def enter(self, folder: str, nexts: set[int]) -> None:
        """Wait to look into a folder; behind a `**` what comes after it may come at once."""
        for number, part in enumerate(self.parts):
            if number in nexts and part == _ANY_DEPTH:
                nexts.add(number + 1)
        self.waiting.append((folder, frozenset(nexts)))

    def files(self) -> Iterator[str]:
        """Look into all folders, and give the files that the whole pattern means."""
        while self.waiting:
            folder, nexts = self.waiting.pop()
            if any(self.tests[number] is not None for number in nexts if number < len(self.parts)):
                yield from self._scanned(folder, nexts)
            else:
                yield from self._named(folder, nexts)

    def _named(self, folder: str, nexts: frozenset[int]) -> Iterator[str]:
        """Go on where only names may come, in a folder that need not be readable."""
        for name in {self.parts[number] for number in nexts}:
            path = f"{folder.rstrip('/')}/{name}"
            deeper = {n + 1 for n in nexts if self.parts[n] == name and n + 1 < len(self.parts)}
            if Path(path).is_symlink():
                self.check(path)
            if deeper and Path(path).is_dir():
                self.enter(path, deeper)
            elif self._is_last(name, nexts) and Path(path).is_file():
                yield path

    def _scanned(self, folder: str, nexts: frozenset[int]) -> Iterator[str]:
        try:
            entries = list(os.scandir(folder))
        except (PermissionError, FileNotFoundError, NotADirectoryError):
            return  # what this user may not look into has no files for them, nor has what is gone by now
        for entry in entries:
            linked = entry.is_symlink()
            deeper = self._deeper(entry.name, nexts, linked=linked)
            last = self._is_last(entry.name, nexts)
            if linked and (deeper or last):
                self.check(entry.path)
            if deeper and (Path(entry.path).is_dir() if linked else entry.is_dir()):
                self._enter_linked(entry.path, deeper) if linked else self.enter(entry.path, deeper)
            elif last and (Path(entry.path).is_file() if linked else entry.is_file()):
                yield entry.path

    def _enter_linked(self, folder: str, nexts: set[int]) -> None:
        self.links += 1
        if self.links > _MOST_LINKS:
            raise PatternError(f"it leads through more than {_MOST_LINKS:,} links to folders")
        self.enter(folder, nexts)

    def _is_last(self, name: str, nexts: frozenset[int]) -> bool:
        end = len(self.parts)
        return any(self._fits(name, n) for n in nexts if n + 1 == end) or (
            end in nexts and self.parts[-1] == _ANY_DEPTH
        )

    def _deeper(self, name: str, nexts: frozenset[int], *, linked: bool) -> set[int]:
        """Return which parts may come in a folder; to one that is `linked` leads a part of its own alone."""
        end = len(self.parts)
        deeper = {n + 1 for n in nexts if n + 1 < end and self.parts[n] != _ANY_DEPTH and self._fits(name, n)}
        return deeper if linked else deeper | {n for n in nexts if n < end and self.parts[n] == _ANY_DEPTH}

    def _fits(self, name: str, number: int) -> bool:
        test = self.tests[number]
        return name == self.parts[number] if test is None else bool(test(name))


def matching_files(base: Path, parts: Sequence[str], check: Callable[[str], object] = lambda _: None) -> Iterator[Path]:
    """Return the files below a folder that a pattern of parts means, in no order.

    `*`, `?` and `[...]` stand in names, `**` for any number of folders, at the end for all files below; it follows no
    links to folders, others do. `check` is called with each link that the pattern means before it is followed.

    Raises:
        PatternError: it has more than 64 parts, or leads through more than 10,000 links to folders.
        OSError: the system does not let this user look.
    """
    if len(parts) > MOST_PARTS:
        raise PatternError(f"a pattern has at most {MOST_PARTS} parts, this one {len(parts)}")
    tests = [re.compile(fnmatch.translate(part)).match if _MEANT.search(part) else None for part in parts]
    walk = _Walk(tests, parts, check)
    walk.enter(str(base), {0})
    yield from map(Path, walk.files())
