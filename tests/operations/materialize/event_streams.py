"""Random events of cards in a log, with a history before them, and what a table of a view over both has to hold.

Events are late, repeated, tied, dated ahead and bad; partitions are logged at their own pace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us, instant_us
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.stream import Stream
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.language.stream_reach import repeat_reach_us
from featurectl.offline.base import OfflineTable
from featurectl.offline.delta import DeltaStore
from featurectl.offline.event_log import EventLog, LoggedPartition, LogState
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.streams import materialize_stream
from featurectl.operations.materialize.table_increment import Materialized
from featurectl.pit.hashing import hash_ties
from featurectl.sources.open import open_source
from featurectl.workspace.event_reader import EventSourceReader

SECOND = 1_000_000
BEGIN = 1_790_000_000 * SECOND
COLUMNS = {"swipe": "int64", "card": "string", "amount": "float64", "at": "timestamp"}
TYPES: dict[str, pl.DataType] = {"swipe": pl.Int64(), "card": pl.String(), "amount": pl.Float64(), "at": INSTANT}
HISTORY_TYPES = pl.Schema({**TYPES, "known_at": INSTANT})
SOURCE = Source(
    name="swipes",
    format="stream",
    stream=Stream(topic="swipes"),
    event_time="at",
    columns=COLUMNS,
    columns_declared=True,
    select=(NamedExpression(name="cents", expression=type_expression("amount * 100", COLUMNS), dtype="float64"),),
    tiebreak=("swipe",),
)
HISTORY = replace(
    SOURCE,
    name="swipes_files",
    format="parquet",
    stream=None,
    path="history/*.parquet",
    columns={**COLUMNS, "known_at": "timestamp"},
    available_at="known_at",
)
CARD = Entity(name="card", keys={"card": "string"})
TYPED = {**COLUMNS, "cents": "float64"}


def _named(name: str) -> NamedExpression:
    return NamedExpression(name=name, expression=type_expression(name, TYPED), dtype=TYPED[name])


def _feature(op: str, column: str | None, window_s: int | None, n: int | None = None) -> Feature:
    types = {"count": "int64", "last_n": f"list({TYPED[column or 'swipe']})", "last": TYPED[column or "swipe"]}
    us = None if window_s is None else window_s * SECOND
    return Feature(name=f"{op}_{window_s}", op=op, column=column, dtype=types.get(op, "float64"), window_us=us, n=n)


SPEND = FeatureView(
    name="spend",
    kind="event",
    entity=CARD,
    source=SOURCE,
    join={"card": "card"},
    where=type_expression("amount > -50", TYPED),
    inputs=(_named("cents"), _named("swipe")),
    features=(
        _feature("count", None, 20), _feature("sum", "cents", 20), _feature("max", "cents", 60),
        _feature("last_n", "swipe", 60, n=4), _feature("median", "cents", 60),
    ),
)  # fmt: skip
NEWEST = FeatureView(
    name="newest",
    kind="state",
    entity=CARD,
    source=SOURCE,
    join={"card": "card"},
    where=None,
    inputs=(_named("cents"), _named("swipe")),
    features=(
        Feature(name="cents", op="latest", column="cents", dtype="float64", fill_last=True),
        Feature(name="swipe", op="latest", column="swipe", dtype="int64"),
    ),
    ttl_us=30 * SECOND,
)


@dataclass(kw_only=True)
class CardStream:
    """A log and a history in a folder, and all events that went there; the clock goes on as they come."""

    folder: Path
    random: Random
    dedup: bool = True
    partitions: int = 4
    cards: int = 4
    late: float = 0.25
    repeated: float = 0.15
    bad: float = 0.05
    memory_bytes: int = 1 << 26  # less: rows lie in files
    clock_us: int = BEGIN
    history: list[dict[str, object]] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    waiting: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    applied: dict[str, int] = field(default_factory=dict)
    cut_us: int | None = None
    swipes: int = 0
    files: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    erasures: Erasures = NOTHING_ERASED

    def __post_init__(self) -> None:
        key = ("swipe",) if self.dedup else ()
        self.source = replace(SOURCE, dedup_key=key, history=replace(HISTORY, dedup_key=key))
        self.log = EventLog(location=str(self.folder / "log"), columns=COLUMNS, shown="log")

    @property
    def now(self) -> datetime:
        """The clock."""
        return from_us(self.clock_us)

    @property
    def asof_us(self) -> int:
        """Up to when all is logged."""
        return min(self.applied.values(), default=0)

    def event(self) -> dict[str, object]:
        """Make an event; some are repeats."""
        random, known = self.random, [*self.history[-30:], *self.events[-60:]]
        if known and random.random() < self.repeated:
            again = {**random.choice(known)}
            if random.random() < 0.3:  # a copy that differs
                again["amount"] = random.random() * 100
            return {name: again[name] for name in COLUMNS}
        self.swipes += 1
        late_us = random.choice([0, 0, -random.randrange(5 * SECOND)])
        if random.random() < self.late:
            late_us = random.randrange(40 * SECOND)
        at_us = self.clock_us - late_us
        return {
            "swipe": self.swipes if random.random() < 0.95 else None,
            "card": random.choice([None, *(f"c{i}" for i in range(self.cards))]),
            "amount": random.choice([None, -80.0, 1.5, random.random() * 100]),
            "at": from_us(at_us // SECOND * SECOND if random.random() < 0.5 else at_us),
        }

    def add_history(self, rows: int) -> None:
        """Write a file of the history, whose rows became known one after the other."""
        made = []
        for _ in range(rows):
            self.clock_us += self.random.randrange(3) * SECOND // 2
            made.append({**self.event(), "known_at": self.now})
            self.history.append(made[-1])
        self.history = self.history[: -len(made)]
        self.write_history(made)

    def write_history(self, rows: Sequence[dict[str, object]]) -> None:
        """Write rows as a file of the history."""
        self.history += rows
        (self.folder / "history").mkdir(exist_ok=True)
        self.files += 1
        pl.DataFrame(rows, schema=HISTORY_TYPES).write_parquet(self.folder / "history" / f"{self.files:03}.parquet")

    def begin(self) -> None:
        """Have the stream begin."""
        self.clock_us += SECOND
        self.cut_us = self.clock_us
        for number in range(self.partitions):
            name = f"swipes/{number}"
            self.ends[name], self.applied[name], self.waiting[name] = 100 * number, self.clock_us, []
        assert self.log.commit(self.log.open(), self._rows([]), self._state())

    def take(self, events: int) -> None:
        """Have a partition take some events, which get one stamp; they are not logged yet."""
        self.clock_us += 1 + self.random.randrange(2 * SECOND if self.random.random() < 0.95 else 5000 * SECOND)
        name = self.random.choice([*self.ends])
        for _ in range(events):
            self.put(name, self.event(), rejected=self.random.random() < self.bad)

    def put(self, name: str, event: Mapping[str, object], *, rejected: bool = False) -> None:
        """Have a partition take an event now."""
        offset = self.ends[name] + len(self.waiting[name])
        stamped = {**event, "stamp": self.now, "partition": name, "rejected": rejected, "offset": offset}
        self.waiting[name].append(stamped)
        self.events.append(stamped)

    def commit(self, names: Sequence[str]) -> None:
        """Log what some partitions have taken."""
        self.clock_us += 1
        rows = []
        for name in names:
            rows += self.waiting[name]
            self.ends[name] += len(self.waiting[name])
            self.waiting[name] = []
            self.applied[name] = self.clock_us
        assert self.log.commit(self.log.open(), self._rows(rows), self._state())

    def _state(self) -> LogState:
        partitions = {
            name: LoggedPartition(first=100 * int(name[-1]), end=end, applied_us=self.applied[name])
            for name, end in self.ends.items()
        }
        return LogState(partitions=partitions, gaps=self.gaps, cut_us=self.cut_us)

    def _rows(self, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
        own: dict[str, pl.DataType] = {
            "_partition": pl.String(), "_offset": pl.Int64(), "_available_at": INSTANT, "_rejected": pl.String()
        }  # fmt: skip
        made = [
            {
                "_partition": row["partition"],
                "_offset": row["offset"],
                "_available_at": row["stamp"],
                "_rejected": "bad" if row["rejected"] else None,
                **{name: None if row["rejected"] else row[name] for name in COLUMNS},
            }
            for row in rows
        ]
        return pl.DataFrame(made, schema=pl.Schema({**own, **TYPES}))

    def reader(self) -> EventSourceReader:
        """Read the stream and its history."""
        assert self.source.history is not None
        history = open_source(self.source.history, self.folder) if self.history else None
        return EventSourceReader(source=self.source, log=self.log, history=history)

    def materialize(
        self, view: FeatureView, offline: str = "offline", now: datetime | None = None, *, full: bool = False
    ) -> tuple[Materialized, OfflineTable]:
        """Bring a view's table up to the stream, without rows of erased keys."""
        view = replace(view, source=self.source)
        store = DeltaStore(str(self.folder / offline), "p", known_erasures=lambda _: self.erasures)
        table = store.table(view.name, 1, view.key_types, view.entity.name if view.entity else "")
        table.remove_erased(NOTHING_ERASED, {})
        run = MaterializeRun(view=view, version=1, reader=self.reader(), table=table, erasures=self.erasures)
        return materialize_stream(PolarsEngine(self.memory_bytes), run, now or self.now, full=full), table

    def expected(self, view: FeatureView, now: datetime | None = None) -> list[dict[str, object]]:
        """Return the rows that a view's table has to hold, found one by one."""
        now_us = instant_us(now or self.now)
        cut_us = self.cut_us or now_us + 1
        until_us = min(now_us, self.asof_us) if self.cut_us else now_us
        found = []
        for row, order in zip(self.history, self._hashes(), strict=True):
            if instant_us(row["known_at"]) < cut_us and instant_us(row["known_at"]) <= now_us:  # type: ignore[arg-type]
                found.append({**row, "available_at": row["known_at"], "tie_order": order})
        for row in self.events:
            is_logged = row["offset"] < self.ends[str(row["partition"])]  # type: ignore[operator]
            if is_logged and not row["rejected"] and instant_us(row["stamp"]) <= until_us:  # type: ignore[arg-type]
                found.append({**row, "available_at": row["stamp"], "tie_order": row["offset"]})
        taken = [row for row in found if row["card"] is not None and (view.where is None or _is_counted(row))]
        counted = _without_repeats(taken, repeat_reach_us(view)) if self.dedup else taken
        cents = [None if row["amount"] is None else row["amount"] * 100 for row in counted]  # type: ignore[operator]
        return [
            {
                "card": row["card"], "event_time": row["at"], "available_at": row["available_at"],
                "tie_0": row["swipe"], "tie_order": row["tie_order"], "cents": value, "swipe": row["swipe"],
            }
            for row, value in zip(counted, cents, strict=True)
        ]  # fmt: skip

    def _hashes(self) -> list[int]:
        if not self.history:
            return []
        return hash_ties(pl.DataFrame(self.history, schema=HISTORY_TYPES)).to_list()


def _is_counted(row: Mapping[str, object]) -> bool:
    return row["amount"] is not None and row["amount"] > -50  # type: ignore[operator]


def _without_repeats(rows: Sequence[dict[str, object]], reach_us: int) -> list[dict[str, object]]:
    """Return rows without copies that became available within the reach of the copy before them."""
    last: dict[tuple[object, object], int] = {}
    counted = []
    for row in sorted(rows, key=_copy_order):
        name, at_us = (row["card"], row["swipe"]), instant_us(row["available_at"])  # type: ignore[arg-type]
        if row["swipe"] is None or at_us - last.get(name, at_us - reach_us - 1) > reach_us:
            counted.append(row)
        last[name] = at_us
    return counted


def _copy_order(row: Mapping[str, object]) -> tuple[int, int, int]:
    return instant_us(row["available_at"]), instant_us(row["at"]), row["tie_order"]  # type: ignore[return-value, arg-type]
