"""What every engine can do: prepare the rows of a view, and answer a view's questions at the rows of a spine.

An engine brings rows to the kernel in `pit`; it computes no window of its own. Whoever calls it sees only `Engine` and
the types here. `tests/engines/test_contract_*.py` say what it must do, and run on every engine.

Rows of a table, in every engine to the bit:
    columns     the view's keys by their own names, `event_time`, `available_at` (UTC, microseconds), `tie_0`, `tie_1`
                and so on where the source has a `tiebreak`, `tie_order`, `_dedup`, the view's inputs that are none of
                these
    _dedup      `pit.hashing.hash_ties` of the `dedup_key`, null where a column of it is; only where the source has one
    tie_order   `pit.hashing.hash_ties` of the source's own columns, before `select`
    order       keys, event_time, available_at, the ties (a null after every value), tie_order
    bucket      `pit.hashing.bucket_of` the keys; without keys there is one
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.engines.erased_source import ErasedSourceRows
from featurectl.engines.spans import PartRows
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView

if TYPE_CHECKING:
    from featurectl.pit.keys import AskedSpine


@dataclass(slots=True, kw_only=True)
class RowStream:
    """Rows as they come, once: `frames` give them, and `count` is how many have come so far.

    `empty` has their columns, and none of them. `close` lets go of where they come from, also when more would come.
    """

    empty: pl.LazyFrame
    frames: Iterator[pl.LazyFrame]
    count: int = 0
    close: Callable[[], None] = lambda: None


class RowScan(Protocol):
    """Rows that lie somewhere: they are read where the engine works, not where a run is planned."""

    def read(self) -> pl.LazyFrame:
        """Return the rows, the same frame each time: what has to be read to know them (a query) is read once."""

    def stream(self) -> RowStream | None:
        """Return the same stream of the rows each time; None: they are to be `read`."""

    def close(self) -> None:
        """Let go of where rows come from; none come after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameScan:
    """Rows that a frame of this process holds already."""

    rows: pl.LazyFrame

    def read(self) -> pl.LazyFrame:
        """Return the rows."""
        return self.rows

    def stream(self) -> None:
        """Return nothing: they are there."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of a scan with `after` < available_at <= `until`; `after` None is from the beginning.

    `read_before`: what was read of the scan before, of the rows up to `after`. They are looked at again: those behind
    as many as there were have come too late, and are counted. None: rows up to `after` need not be read. Pieces
    `in_place` stand, all of them together, in place of parts that are gone: `read_before` is what was read of those.
    Of its rows only those with `since` <= event_time < `before` go into the table (None: no end). The others are seen
    all the same: they make a row a repeat, move the clocks of `Prepared`, and are held back when they come later.
    `events`: hashes of what names some events, whose rows go into the table whenever they happened.
    `reread_until`: rows up to this availability were read before: of these only such count as read, and are taken, as
    the table lacks, and none of them is counted as left out.
    `events_until`: rows that happened up to this instant were read before, and are given again: all of them are taken,
    none counts as read, or as left out.
    """

    scan: RowScan
    until: datetime
    after: datetime | None = None
    read_before: PartRows | None = None
    in_place: bool = False
    since: datetime | None = None
    before: datetime | None = None
    events: pl.Series | None = None
    reread_until: datetime | None = None
    events_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPiece:
    """Events of a stream, or of its history, with `after` < available_at <= `until`; `after` None: from the beginning.

    `source` says how they are read: its clocks, and the `select` that makes the columns of the view's source. Ties are
    in the order of the column `order`, which is none of the source; empty: of a hash of the source's own columns.
    Events that are `earlier` go into no table: a later one may be a copy of them. `checked` are those that the source's
    checks have not seen.
    """

    scan: RowScan
    source: Source
    until: datetime
    after: datetime | None = None
    order: str = ""
    earlier: bool = False
    checked: bool = False


TOO_LATE: Final = "known before the watermark"  # of `Prepared.dropped`
SAME_AS_READ: Final = "the same as rows that the table has"  # of those known before the watermark
ERASED: Final = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of a check of `of` ("source arrivals"): it failed for so many of the rows that were looked at.

    `found` says what was found, in words. A failed check of severity "warn" is only reported.
    """

    of: str
    label: str
    severity: Literal["warn", "error"]
    passed: bool
    rows: int
    failed: int
    found: str

    @property
    def message(self) -> str:
        """One line that says what was asked and what was found."""
        return f'check "{self.label}" of {self.of} failed: {self.found}'


class BucketedRows(Protocol):
    """Rows of a view in the form of its offline table, a bucket at a time, however many there are."""

    @property
    def height(self) -> int:
        """How many rows there are in all."""

    @property
    def schema(self) -> pl.Schema:
        """The columns of every bucket with their types."""

    @property
    def mark(self) -> str:
        """The same for the same rows and another for others, in whatever order; empty where nobody knows."""

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the rows of one of `buckets` buckets (a power of two), sorted by keys, time and ties."""

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """Give the same rows in the same order in frames that fit the memory, those of some Parquet files among them.

        The files hold sorted rows of the same bucket; their further columns are left out.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Rows of a view, ready for its offline table, and what was seen on the way.

    `rows_read` counts the rows of the pieces; `held_back`, a number per piece, those that become available only after
    it ends; `dropped` counts rows left out, by reason (null event_time, null available_at, null key, a key that is too
    long, repeated, known before the watermark, the same as rows of the table); `long_key` names the first of the keys.
    `watermark` and `newest_event` are the greatest availability and event time of the rows read. Of rows known before
    the watermark those count that the view would have taken; `late_events` are their least and greatest event time.
    Without a `dedup_key` such a row that equals one of the table is none of them: nobody has to take it.
    `replaced` holds the `_dedup` of rows read earlier of which there is a copy among the new ones that was available
    first: it counts, and theirs is to leave the table. `differing_copies` of events (`dedup_key`) differ from the one
    that counts though neither a time nor a `tiebreak` tells them apart; `differing_event` is the key of one.
    `begins` are the least event time and the least availability of the rows read, wherever in a piece's range they lie
    (None: there were none, or the source is static).
    `parts` are the rows of each piece that were looked at and known by its end. `changed`, one a piece: between which
    event times rows that were read of it before are not there any more as they were; None: they all are, or were cut
    off at its beginning.
    """

    rows: BucketedRows
    rows_read: int
    held_back: tuple[int, ...]
    watermark: datetime | None
    newest_event: datetime | None
    dropped: Mapping[str, int] = field(default_factory=dict)
    long_key: Mapping[str, str] = field(default_factory=dict)
    late_events: tuple[datetime, datetime] | None = None
    checks: tuple[CheckResult, ...] = ()
    replaced: tuple[int, ...] = ()
    differing_copies: int = 0
    differing_event: Mapping[str, object] = field(default_factory=dict)
    begins: tuple[datetime, datetime] | None = None
    parts: tuple[PartRows, ...] = ()
    changed: tuple[tuple[datetime, datetime] | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRows:
    """Rows that were read earlier, of which new ones may be repeats: some of their pieces, and what a table has of all.

    `rows` gives, some at a time, `_dedup`, the clocks, ties and `tie_order` of rows of the table; None: the pieces are
    all.
    `table` gives those of all of its rows (without `dedup_key` no `_dedup`): a row that came too late is none where the
    table has a copy that counts, or the very same row.
    `has_all`: the table has each event that was read, so that a row without a key was not read before.
    """

    pieces: Sequence[Piece] = ()
    rows: Callable[[], Iterator[pl.DataFrame]] | None = None
    table: Callable[[], Iterator[pl.DataFrame]] | None = None
    has_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewBuckets:
    """A view's rows for an engine: how many buckets there are, how to read one, and how many rows there are in all.

    `part` reads the rows of one of any greater number of buckets (a power of two), for buckets that outgrow the memory;
    None: it can't be done.
    """

    view: FeatureView
    buckets: int
    read: Callable[[int], pl.DataFrame]
    rows: int = 0  # 0: few
    part: Callable[[int, int], pl.DataFrame] | None = None


def one_bucket(view: FeatureView, rows: pl.DataFrame) -> ViewBuckets:
    """Return rows of a view in memory as a table of one bucket."""
    return ViewBuckets(view=view, buckets=1, read=lambda _: rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """The rows of a source for a transform: those available at `until`, save those that are `erased`.

    With `available_after` only those that became available later, or happened at `happened_from` or later.
    """

    source: Source
    scan: RowScan
    until: datetime
    available_after: datetime | None = None
    happened_from: datetime | None = None
    erased: ErasedSourceRows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSummary:
    """What is known of the rows of some pieces of a source; the instants are None without rows or times.

    `held_back`, `dropped` and `watermark` are as in `Prepared`.
    """

    rows: int
    held_back: tuple[int, ...]
    first_available: datetime | None
    first_event: datetime | None
    watermark: datetime | None
    dropped: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceParts:
    """Pieces of a source of which rows are counted, and `others`, up to whose beginnings all was read before.

    Rows known later than `taken_after` are taken by the run whenever they came; None: it takes none.
    """

    source: Source
    pieces: Sequence[Piece]
    others: Sequence[Piece] = ()
    taken_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsSeen:
    """The rows of pieces by the end of each, and what became of those read before (`changed`), as in `Prepared`.

    `late` rows were known before a piece and not read then: where a piece did not grow at its end, as many as a span of
    time has more than before. `late_events` are the least and the greatest of their event times, or of when they were
    known where that was before. `same` are rows that equal others that were read.
    """

    parts: tuple[PartRows, ...] = ()
    changed: tuple[tuple[datetime, datetime] | None, ...] = ()
    late: int = 0
    same: int = 0
    late_events: tuple[datetime, datetime] | None = None


class Engine(Protocol):
    """Where rows are prepared and where buckets run; the kernel in `pit` is the same for all."""

    @property
    def memory_bytes(self) -> int:
        """The memory that it may use for rows, in this process."""

    def prepare(
        self,
        pieces: Sequence[Piece],
        view: FeatureView,
        seen: EarlierRows | None = None,
        room: SpillRoom | None = None,
        erasures: Erasures = NOTHING_ERASED,
    ) -> Prepared:
        """Return the rows of the pieces in the form of the view's offline table.

        The steps, in order: NaN to null (unless the source keeps it), clocks, repeats, `select`, `where`, keys, inputs.
        Neither the order of rows nor how they lie in pieces and files changes the result; columns that a piece lacks
        are null. `seen` are rows read earlier: of several copies of an event (`dedup_key`), new or seen, the one counts
        that was available first; a null in any column of the key equals nothing. Checks of the source see its
        rows with `select`, also those without a clock, checks of the view what is left after `where` and keys. Rows
        that outgrow the engine's memory lie in files as long as `room` is open, and are read from there when a
        bucket is asked for; without one they stay in memory. Rows of the keys in `erasures` are read as others are,
        and left out at the end, counted as "erased".

        Raises:
            DataError: FC503 a column is missing, FC504 one has a type that does not fit, FC519 a query of a check.
        """

    def prepare_events(
        self,
        pieces: Sequence[EventPiece],
        view: FeatureView,
        since: datetime | None = None,
        room: SpillRoom | None = None,
        erasures: Erasures = NOTHING_ERASED,
    ) -> Prepared:
        """Return the rows of a view of a stream, of events from `since` on, in the form of its offline table.

        Copies are looked for among the events of an entity that the view takes: one that became available within
        `repeat_reach_us` of the copy before it is left out. `held_back` counts the events of each piece that become
        available after its end. Events of the keys in `erasures` are left out, as in `prepare`.

        Raises:
            DataError: FC503, a piece lacks a column that the view reads.
        """

    def look(self, pieces: Sequence[Piece], source: Source, room: SpillRoom | None = None) -> RowSummary:
        """Return what is known of rows that a transform has not seen yet; the source's checks run on them."""

    def count_parts(self, asked: SourceParts) -> PartsSeen:
        """Return how many rows there are of parts that a transform is given, and which of them came late."""

    def newest(self, scan: RowScan, source: Source, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return the greatest event time until `now` and the greatest availability of the rows available at `now`.

        None where there is none.
        """

    def transform(self, view: FeatureView, given: Sequence[SourceRows]) -> pl.LazyFrame:
        """Return what the view's Python function makes of its sources, in the columns and types that it declares.

        Raises:
            DataError: FC521 the function fails, FC522 it returns something else.
        """

    def answer(self, table: ViewBuckets, spine: pl.DataFrame | AskedSpine, time: str) -> pl.DataFrame:
        """Return the view's stored features at each row of the spine, in its order, before any default.

        The spine holds the view's entity keys by their names and types, and `time`; other columns don't matter. Views
        with the same keys may be given one `AskedSpine` of these, so that its order is found once, and whose `found`
        says afterwards of which rows' keys the table has any row. One row comes out for each that goes in, repeated
        ones too, with the features' names and types, also when there is none. A null key or time gives nulls; a key
        without rows what an empty window gives. An answer depends on the row's own key and time and on the rows of that
        key visible then: not on other rows of the spine, the number of buckets, threads or memory.

        Raises:
            DataError: FC507, an exact sum that its type can't hold.
        """

    def finish(
        self, values: pl.DataFrame, view: FeatureView, asof: pl.Series, defaults: Mapping[str, object]
    ) -> pl.DataFrame:
        """Return the stored features with defaults in place of nulls, and the view's derived features after them.

        `defaults` are the model's, by feature; the view's own stand behind them. A derived feature sees the stored
        ones and the derived ones above it, all with their defaults, and `asof`, the row's own time.
        """
