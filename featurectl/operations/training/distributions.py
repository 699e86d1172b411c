"""Which installed package a module comes from."""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata


def distributions_of(module: str) -> tuple[str, ...]:
    """Return the names of the distributions that a top-level module comes from, sorted; none: it is just there, or "".

    The same as `metadata.packages_distributions` says, which reads every file of every distribution: a tenth of its
    time.

        >>> distributions_of("sqlalchemy"), distributions_of("json"), distributions_of("")
        (('SQLAlchemy',), (), ())
    """
    if not module:
        return ()
    found = _distributions_of(module, tuple(sys.path))
    if not found:  # it may be installed while the process runs
        _distributions_of.cache_clear()
    return found


@cache  # for a process that trains several models
def _distributions_of(module: str, _path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({found.metadata["Name"] for found in metadata.distributions() if _has(found, module)}))


def _has(distribution: metadata.Distribution, module: str) -> bool:
    if named := (distribution.read_text("top_level.txt") or "").split():
        return module in named
    files = "\n" + (distribution.read_text("RECORD") or "")  # searched as a whole: it has thousands of lines
    return f"\n{module}/" in files or f"\n{module}." in files
