"""What every source can do: say what it consists of, and give rows lazily."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """A piece of a source that can be read alone: a file, a Delta version, a query.

    `stamp` changes when its content may have changed (size and modification time, a version); empty: unknown,
    so it is read at every run.
    """

    name: str
    stamp: str


Told = Callable[[str], None]  # is given each column whose timestamps have no time zone, when they are read


class SourceReader(Protocol):
    """Rows of one source. Errors are `DataError` with the source's name and the file."""

    @property
    def meant(self) -> str:
        """The path or pattern by which the names of its parts are found, its variables filled; empty for a query."""

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the parts that exist now, in a fixed order; `DataError` FC501 when there are none."""

    def columns(self) -> Mapping[str, str]:
        """Return the columns and their types as `scan` gives them, without reading rows where possible."""

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: Collection[str] = ()
    ) -> pl.LazyFrame:
        """Return the rows of some parts in the language's types; `since` fills `:since` of a query.

        A column that a part lacks and others have may be null there, but not one that is `required`, nor a clock.
        """

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows as `scan` does, and beside them the columns as they are in the source; see `split_kept`."""
