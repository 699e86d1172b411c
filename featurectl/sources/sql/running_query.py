"""A query that runs: the types of its columns, as far as they are known, and its rows as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.core.errors import DataError
from featurectl.sources.sql.rows import Types


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningQuery:
    """The rows of a query, in frames of which only one at a time is held; `frames` can be gone through once.

    A column whose type is None has that of its values, which may differ from frame to frame. `billed_bytes` is what a
    database that bills reading counts for the query; None: it bills nothing, or does not say.
    """

    types: Types
    frames: Iterator[pl.DataFrame]
    billed_bytes: int | None = None


def check_named_once(names: Sequence[str], where: str) -> None:
    """See that no two columns have one name.

    Raises:
        DataError: FC508, two have.
    """
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{where} gives column {twice[0]!r} twice", code="FC508", hint="name it by `as`")
