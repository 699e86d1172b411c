"""An output that is none of the files that are read: it would take their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from featurectl.core.errors import UsageError
from featurectl.core.variables import has_variable
from featurectl.language.definitions.source import Source
from featurectl.sources.paths import find_files
from featurectl.sources.pattern import PatternError


def check_apart(out: Path, spine: str | None, sources: Iterable[Source], root: Path) -> None:
    """See that an output is neither the file of the spine nor one of a source, whose place it would take.

    Raises:
        UsageError: it is one.
    """
    if not out.exists():
        return
    if spine is not None and _is_same(out, Path(spine)):
        raise UsageError(f"--out {out} is the spine, which it would take the place of", hint="name another file")
    for source in sources:
        if any(_is_same(out, file) for file in _files(source, root)):
            what = f"--out {out} is a file of source {source.name}, which it would take the place of"
            raise UsageError(what, hint="name another file")


def _files(source: Source, root: Path) -> Iterator[Path]:
    """Give the local files of a source, as far as its path tells; a Delta table is its folder."""
    if not source.path or "://" in source.path or has_variable(source.path):
        return
    yield root / source.path
    if source.format != "delta":
        with suppress(PatternError):  # it is not read by anybody
            yield from find_files(root, source.path, "*")


def _is_same(out: Path, other: Path) -> bool:
    try:
        return out.samefile(other)
    except OSError:  # there is no other
        return False
