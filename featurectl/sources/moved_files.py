"""Files that a table has read and that are gone: whether their rows are lost, or lie where the path leads now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from posixpath import normpath

from featurectl.sources.base import SourcePart


def gone_files(path: str, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
    """Return which files of those read are gone and lie nowhere else; `path` means the parts that there are."""
    gone = sorted(set(read) - {part.name for part in parts})
    means = _meaning(path)
    return [name for name in gone if means(name)] if all(means(part.name) for part in parts) else gone


def lies_elsewhere(names: Iterable[str], path: str, parts: Sequence[SourcePart]) -> bool:
    """Return whether a path, which means the parts, does not mean one of some other files; False where it is unclear.

    >>> parts = (SourcePart(name="new/a.csv", stamp="1"),)
    >>> [lies_elsewhere([name], "new/*.csv", parts) for name in ("old/a.csv", "new/b.csv")]
    [True, False]
    """
    means = _meaning(path)
    return all(means(part.name) for part in parts) and not all(map(means, names))


def _meaning(path: str) -> Callable[[str], bool]:
    """Return what says of a file whether a path means it."""
    meant = path if "://" in path else normpath(path)
    return lambda name: meant == "." or name.startswith(f"{meant}/") or fnmatchcase(name, meant.replace("**/", "*"))
