"""Which installed package a module comes from."""

from __future__ import annotations

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
    return tuple(sorted({found.metadata["Name"] for found in metadata.distributions() if _has(found, module)}))


def _has(distribution: metadata.Distribution, module: str) -> bool:
    if named := (distribution.read_text("top_level.txt") or "").split():
        return module in named
    files = (distribution.read_text("RECORD") or "").splitlines()
    return any(line.startswith((f"{module}/", f"{module}.")) for line in files)
