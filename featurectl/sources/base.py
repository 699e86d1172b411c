"""What every source can do: say what it consists of and what of it is new, and give rows lazily."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import polars as pl

from featurectl.engines.base import RowStream
from featurectl.language.definitions.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """A piece of a source that can be read alone: a file, a Delta version, a query.

    `stamp` changes when its content may have changed (size and modification time, a version); empty: unknown,
    so it is read at every run.
    """

    name: str
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScan:
    """Rows to take: those of `parts` with `after` < availability <= now; `after` None is from the beginning.

    `since` fills `:since` of a query. Rows up to `reread_until` were read before, and are given again; of a source
    without `available_at` those that happened up to `events_until`.
    """

    parts: tuple[SourcePart, ...]
    after: datetime | None = None
    since: datetime | None = None
    reread_until: datetime | None = None
    events_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    """What a run reads: nothing (no scans), rows to add to the table, or (`rebuild`) all rows in place of the table.

    `covered` is what `Coverage.parts` must hold after the run. `repeats`: the scans may give rows that the table
    has already; the caller leaves them out. `reason` says in a few words why there is nothing, or a rebuild.
    """

    scans: tuple[PartScan, ...] = ()
    covered: Mapping[str, str]
    rebuild: bool = False
    repeats: bool = False
    reason: str = ""


class Covered(Protocol):
    """What a table has read: `offline.base.Coverage`."""

    @property
    def parts(self) -> Mapping[str, str]:
        """Each part read, with its stamp."""

    @property
    def held(self) -> tuple[str, ...]:
        """The parts that held rows available after `now`."""

    @property
    def watermark(self) -> datetime | None:
        """The greatest availability of the rows taken."""

    @property
    def newest_event(self) -> datetime | None:
        """The greatest event time of the rows taken."""

    @property
    def now(self) -> datetime | None:
        """The instant of the last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The parts of a source now beside those that a table has read.

    `touched` are new, or may have changed; `held` are those of the others that held rows available later than the run
    before; `gone` are the names of those that are there no more.
    """

    parts: tuple[SourcePart, ...]
    before: Covered
    touched: tuple[SourcePart, ...]
    held: tuple[SourcePart, ...]
    gone: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredColumns:
    """The columns that a part may not lack for whoever reads it, although other parts have them.

    Without one of `keys` its rows are nobody's; `others` are null in a table that is made anew.
    """

    keys: Collection[str] = ()
    others: Collection[str] = ()


NONE_REQUIRED: Final = RequiredColumns()

OnNaive = Callable[[str], None]  # is given each column whose timestamps have no time zone, when they are read


class SourceReader(Protocol):
    """Rows of one source. Errors are `DataError` with the source's name and the file."""

    @property
    def source(self) -> Source:
        """The source's definition."""

    @property
    def is_snapshot(self) -> bool:
        """True where rows of a part that is gone are gone too; else whoever has read them keeps them."""

    @property
    def counts_rows(self) -> bool:
        """True where the rows of `scan` can be counted without being read."""

    @property
    def unwritten(self) -> Collection[str]:
        """The files that were left out because they have neither rows nor columns."""

    @property
    def lacking(self) -> Mapping[str, Collection[str]]:
        """The declared columns that were taken for null in parts which lack them and others have, with these parts."""

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the parts that exist now, in a fixed order; `DataError` FC501 when there are none."""

    def size_bytes(self, parts: Sequence[SourcePart]) -> int | None:
        """Return how much some parts take on this machine; None where that is not known, or they lie elsewhere."""

    def new_rows(self, changes: Changes) -> Increment:
        """Return what there is to read of parts of which some are new, changed or gone; see `plan_increment`."""

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return which of the parts that were read a rebuild would lose: they are gone, and their rows lie nowhere."""

    def columns(self) -> Mapping[str, str]:
        """Return the columns and their types as `scan` gives them, without reading rows where possible."""

    def check_columns(self) -> int | None:
        """Check that what is there now has the columns that the source needs, in types that can become theirs.

        Return how many bytes a database bills where the source is read from the beginning; None: it bills none.

        No rows are read: values are not looked at, nor types that only values tell, as of CSV files and SQLite.

        Raises:
            DataError: FC501 nothing is there, FC502 it can't be read, FC503 a column is missing, FC504 a type can't be
                read as the source's, FC508 the query fails.
            StoreError: where it lies can't be reached.
        """

    def told_columns(self) -> Mapping[str, str] | None:
        """Return the columns and types of a source that declares none, which `check_columns` has looked at.

        None: it declares them, or rows alone tell the types.
        """

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        """Return the rows of some parts in the language's types; `since` fills `:since` of a query.

        A column that a part lacks and others have may be null there, but not one that is `required`, nor a clock.
        """

    def stream(self, parts: Sequence[SourcePart], since: datetime | None = None) -> RowStream | None:
        """Return the rows that `scan` does as they come from elsewhere; None: they can be read lazily as well."""

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows as `scan` does, and beside them the columns as they are in the source; see `split_kept`."""


@dataclass(slots=True, kw_only=True)
class SourceScan:
    """Rows of some parts of a source for an engine; the other fields are those of `SourceReader.scan`.

    `once`: they are gone through once, so that they need not be kept where they come from elsewhere.
    """

    reader: SourceReader
    parts: tuple[SourcePart, ...]
    since: datetime | None = None
    required: RequiredColumns = NONE_REQUIRED
    once: bool = False
    _stream: RowStream | None = field(default=None, init=False, repr=False, compare=False)
    _rows: pl.LazyFrame | None = field(default=None, init=False, repr=False, compare=False)

    def read(self) -> pl.LazyFrame:
        """Return the rows; the first time what may not fit is looked at, and a query runs."""
        if self._rows is None:
            self._rows = self.reader.scan(self.parts, self.since, self.required)
        return self._rows

    def stream(self) -> RowStream | None:
        """Return the rows as they come, where they do and are gone through once."""
        if self.once and self._stream is None:
            self._stream = self.reader.stream(self.parts, self.since)
            self.once = self._stream is not None
        return self._stream

    def close(self) -> None:
        """Let go of where rows come from; none come after it."""
        if self._stream is not None:
            self._stream.close()
