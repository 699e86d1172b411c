"""What every online store can do: keep the newest packed row per view version and entity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import polars as pl

KeyValue = str | int | bool  # a date key is its number of days since 1970-01-01
VersionedBy = Literal["event", "computed"]
Bound = Callable[[], datetime]  # an instant that moves on with the clock, so that who works for long asks it again


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineView:
    """A view version as the store sees it: where its rows lie and what they hold.

    `keys` and `features` map names to types, in order. `versioned_by` says which instant makes a row newer:
    "event" for state views (event_time, then available_at), "computed" for event views (computed_at). `meanings` are
    digests of what the features mean: a value that was stored under another meaning of its name is not read.
    """

    project: str
    env: str
    view: str
    version: int
    keys: Mapping[str, str]
    features: Mapping[str, str]
    versioned_by: VersionedBy = "event"
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRow:
    """The stored values of one entity, in plain Python values by feature, and the instants behind them."""

    event_time: datetime | None
    available_at: datetime | None
    computed_at: datetime
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRecord:
    """The last completed push of a view version.

    `computed_at` is its instant, `watermark` and `newest_event` are the source's behind the values, `table_version`
    is the offline table's, `entities` the number of entities in the store. `schema` is the digest of the schema that
    the rows were written with, so that a view with a new feature is seen to need all its rows again. `rebuild_id` is
    the table's: rows pushed under another one may be of source rows that are gone. `kept_until` is the first instant,
    by the real clock, from which on the store may let one of the rows go; None: it keeps all. `columns` are the
    source's with their types, where the view's definition does not say them all: who reads needs no offline table.
    `erased` is the number of the newest tombstone that the push knew: of keys that were erased later, or when the store
    is a restored one, rows may be there still.
    `applied_at` is when the version had become current as the push knew it (None: not known): of a version that is
    current again, readers by name wait for a push that knows it.
    """

    computed_at: datetime
    watermark: datetime | None
    newest_event: datetime | None
    table_version: int
    entities: int
    schema: str = ""
    rebuild_id: str = ""
    kept_until: datetime | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    erased: int = 0
    applied_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Rows wanted of some view versions whose rows lie under the same keys: `fields` are their `view@version`."""

    project: str
    env: str
    fields: tuple[str, ...]
    keys: Sequence[bytes]


Found = Sequence[bytes | None]  # the packed rows of one key, a place per field of the ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the rows of a write come from: an offline table, of which they are each entity's newest row as of `at`.

    Rows are only ever added to a table until it is rebuilt. Of two writes of one rebuild the one as of no earlier
    instant, of no earlier version, brings nothing older: a store need not look at what is there then.
    """

    at: datetime
    table_version: int
    rebuild_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How rows are written: those of a table that was `rebuilt`, from where; `on_rows` hears how many are there.

    From `kept_until` on, by the real clock, a store of bounded memory may let the rows go; None: it never does.
    Nothing can rightly have been computed later than `none_after` says: a row that was is replaced by whatever comes.
    """

    rebuilt: bool = False
    none_after: Bound | None = None
    origin: Origin | None = None
    kept_until: datetime | None = None
    on_rows: Callable[[int], None] = lambda _: None


class RowReader(Protocol):
    """Packed rows by key, for whoever reads a lot. Every method raises `StoreError` when the store fails."""

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys, in one round trip for up to 5,000 keys."""

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share: `schema/<view>@<version>/<id>` and `push/<view>@<version>`."""

    def close(self) -> None:
        """Give back connections and files."""


class AsyncRowReader(Protocol):
    """What `RowReader` does, for one event loop: many callers at once share round trips."""

    async def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""

    async def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share."""

    async def close(self) -> None:
        """Give back connections and files."""


class RowRemover(Protocol):
    """What removes rows of some entities, as when they are erased, or a record alone."""

    def remove_record(self, view: OnlineView) -> None:
        """Remove the record that lies under a name of which there are no rows: what is written meanwhile may go, too.

        Of a view that has rows, or a schema of them, nothing else is removed.
        """

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some packed keys, whatever their instants; return how many there were.

        Nothing keeps others from writing one of them again. What is removed may be readable in files until `wipe`.
        """

    def wipe(self, *views: OnlineView) -> tuple[str, ...]:
        """Write anew what may still hold bytes of rows that were removed; return what can't be, in sentences' parts.

        Raises:
            TryAgainError: others use the store without a pause.
        """


class OnlineStore(RowReader, RowRemover, Protocol):
    """Packed rows by view version and entity. Every method raises `StoreError` when the store fails."""

    def prepare(self, *views: OnlineView) -> None:
        """Create what view versions need in the store, the schemas of their rows included; safe to repeat."""

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions (name, version) that the store is prepared for. Creates nothing."""

    def write(self, view: OnlineView, rows: pl.DataFrame, *, rebuilt: bool = False) -> int:
        """Write rows (keys, event_time, available_at, computed_at, features) and return how many entities are new.

        A row never replaces a newer one; repeating a write changes nothing. Rows of a table that was `rebuilt` may
        be older than those that they correct: newer is then by computed_at, in state views too.
        """

    def write_all(self, view: OnlineView, frames: Iterable[pl.DataFrame], how: Writing) -> int:
        """Write the rows of several frames as one, and return how many entities are new.

        With an origin an entity comes at most once. Frames are asked for while rows are on their way. When this fails,
        or asking for a frame does, what was written stays.
        """

    def keep_only(
        self, view: OnlineView, entities: pl.DataFrame, until: datetime, none_after: Bound | None = None
    ) -> int:
        """Remove the rows computed until an instant of all entities but these (the keys); return how many were removed.

        So are rows computed later than `none_after`. A view without an entity keeps its row where `entities` has a row
        (of no columns). Works in bounded steps; what a later push has written meanwhile stays. Puts `count` right,
        whatever happened to rows and counters.
        """

    def read(self, view: OnlineView, entities: Sequence[Sequence[KeyValue]]) -> list[OnlineRow | None]:
        """Return the row of each entity (key values in the entity's order), None where there is none."""

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of all entities of a view version, or of `wanted` keys, some at a time.

        A row that is there all the while comes at least once; one that others write meanwhile may come twice or never.
        """

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version, at the cost of one look-up.

        Rows that the store has let go (`Writing.kept_until`), or that were lost, count until `keep_only` is called.
        """

    def reset_broken_count(self, view: OnlineView) -> None:
        """Begin to count at 0 where another program has written what is no number; `keep_only` puts it right."""

    def count_rows(self, view: OnlineView) -> int | None:
        """Return how many entities have a row, by a look at them; None where there are too many to look at.

        Where the whole store has fewer keys than `count` says, it is the number of those, which is too many.
        """

    def clock(self) -> datetime:
        """Return the time by the clock that all who write to the store share."""

    def write_push_record(self, view: OnlineView, record: PushRecord, none_after: Bound | None = None) -> None:
        """Keep the record of a push that has ended; an older one never replaces a newer one.

        Unless that is of an instant later than `none_after`.
        """

    def read_push_record(self, view: OnlineView) -> PushRecord | None:
        """Return the record of the last push, or None when nothing was pushed."""

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version, in bounded steps."""

    def close(self) -> None:
        """Give back connections and files."""
