"""Random views over a stream, random events of one entity, and what is true of them by plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from featurectl.core.units import from_us
from featurectl.language.definitions.aggregates import AGGREGATES, result_type
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Closed, Feature, FeatureView
from featurectl.online.stream_state.compaction import Compacted
from featurectl.online.stream_state.layout import AHEAD_US, MARGIN_US, ListLayout, layout_of
from featurectl.online.stream_state.record import EventRecord
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion
from tests.definitions import CARRIER, expression

SECOND = 1_000_000
BEGIN = 1_700_000_000 * SECOND
COLUMNS = {
    "amount": "float64", "units": "int64", "is_late": "bool", "shop": "string",
    "price": "decimal(10,2)", "day": "date", "seen_at": "timestamp", "tax": "float64",
}  # fmt: skip
WITHOUT_TILES = {"median", "percentile", "count_distinct", "top_k"}
REPEATS_CHANGE = {"count", "sum", "mean", "stddev", "stddev_pop", "var", "var_pop", "first_n", "last_n"}


def random_view(random: Random) -> FeatureView:
    """A view whose windows are of seconds."""
    if random.random() < 0.2:
        return state_view(random)
    hop_us = random.choice([None, None, random.randrange(1, 4) * SECOND // 2])
    is_named = hop_us is None and random.random() < 0.5
    features = [
        random_feature(random, i, is_tiled=hop_us is not None, is_named=is_named) for i in range(random.randrange(1, 7))
    ]
    return view_of("event", features, random, is_named=is_named, hop_us=hop_us)


def random_feature(random: Random, i: int, *, is_tiled: bool, is_named: bool) -> Feature:
    while True:
        op = random.choice([*AGGREGATES])
        column = None if op == "count" and random.random() < 0.5 else random.choice([*COLUMNS])
        dtype = result_type(op, None if column is None else COLUMNS[column])
        is_lifetime = random.random() < 0.25
        if dtype is None or (op in WITHOUT_TILES and (is_tiled or is_lifetime)):
            continue
        if is_lifetime and is_named and op in REPEATS_CHANGE:
            continue
        return Feature(
            name=f"f{i}",
            op=op,
            column=column,
            dtype=dtype,
            window_us=None if is_lifetime else random.randrange(2, 20) * SECOND,
            offset_us=random.choice([0, 0, 0, random.randrange(1, 8) * SECOND]),
            n=random.randrange(1, 4) if AGGREGATES[op].parameter == "n" else None,
            q=random.random() if AGGREGATES[op].parameter == "q" else None,
        )


def state_view(random: Random) -> FeatureView:
    columns = random.sample([*COLUMNS], random.randrange(1, 5))
    features = [
        Feature(name=f"s_{name}", op="latest", column=name, dtype=COLUMNS[name], fill_last=random.random() < 0.3)
        for name in columns
    ]
    ttl_us = random.choice([None, random.randrange(1, 20) * SECOND])
    return view_of("state", features, random, is_named=random.random() < 0.3, ttl_us=ttl_us)


def view_of(
    kind: Any, features: Sequence[Feature], random: Random, *, is_named: bool, **options: int | None
) -> FeatureView:
    closed: Closed = random.choice(["left", "left", "right", "both", "none"]) if kind == "event" else "left"
    source = Source(
        name="swipes",
        format="stream",
        event_time="at",
        columns={**COLUMNS, "at": "timestamp", "carrier": "string", "swipe": "int64"},
        tiebreak=random.choice([(), ("units",), ("shop", "amount")]),
        dedup_key=("swipe",) if is_named else (),
    )
    used = sorted({f.column for f in features if f.column is not None})
    inputs = tuple(NamedExpression(name=name, expression=expression("1"), dtype=COLUMNS[name]) for name in used)
    return FeatureView(
        name="spend",
        kind=kind,
        entity=CARRIER,
        source=source,
        join={},
        where=None,
        inputs=inputs,
        features=tuple(features),
        closed=closed,
        **options,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Event:
    """An event of the entity with its place, its stamp, and its values in Python's types."""

    partition: int
    offset: int
    event_us: int
    available_us: int
    name: int
    values: Mapping[str, object]


@dataclass
class Stream:
    """Events of one entity as workers see them: partitions that are applied at their own pace."""

    random: Random
    layout: ListLayout
    view: FeatureView
    clock_us: int = BEGIN
    events: list[Event] = field(default_factory=list)
    applied_us: dict[int, int] = field(default_factory=lambda: {0: BEGIN, 1: BEGIN, 2: BEGIN})
    waiting: dict[int, list[list[Event]]] = field(default_factory=lambda: {0: [], 1: [], 2: []})
    offsets: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0, 2: 0})
    names: int = 0
    share_of_names: float = 1.0  # of events that have a name of their own
    share_of_copies: float = 0.15  # of events that are one of before

    @property
    def asof_us(self) -> int:
        """The least `applied`."""
        return min(self.applied_us.values())

    def claim(self) -> Sequence[Event]:
        """Stamp a batch of a partition, which is applied some time later."""
        partition = self.random.randrange(3)
        self.clock_us += self.random.randrange(1, SECOND)
        batch = [self._event(partition) for _ in range(self.random.randrange(1, 5))]
        self.events += batch
        self.waiting[partition].append(batch)
        return batch

    def _event(self, partition: int) -> Event:
        random = self.random
        offset = self.offsets[partition]
        self.offsets[partition] += random.randrange(1, 3)  # offsets may have holes
        if self.events and random.random() < self.share_of_copies:
            copied = random.choice(self.events[-12:])
            event_us = copied.event_us + random.choice([0, 0, random.randrange(SECOND)])
            values = copied.values if random.random() < 0.8 else random_values(random)
            return Event(partition, offset, event_us, self.clock_us, copied.name, values)
        late_us = random.choice([0, 0, random.randrange(20 * SECOND), -random.randrange(5 * SECOND)])
        event_us = (self.clock_us - late_us) // 1_000 * 1_000
        if random.random() < 0.3:
            event_us = event_us // (SECOND // 2) * (SECOND // 2)  # on the edges of tiles, and ties
        self.names += random.random() < self.share_of_names
        return Event(partition, offset, event_us, self.clock_us, self.names, random_values(random))

    def apply(self) -> None:
        """A partition's next batch is done, or it is idle and promises that nothing came."""
        partition = self.random.randrange(3)
        if self.waiting[partition]:
            batch = self.waiting[partition].pop(0)
            self.applied_us[partition] = batch[0].available_us
        else:
            self.applied_us[partition] = max(self.applied_us[partition], self.clock_us)

    def record(self, event: Event) -> EventRecord:
        """The record of an event in the lists of the view."""
        return EventRecord(
            event.partition,
            event.offset,
            event.event_us,
            event.available_us,
            event.name if self.layout.has_dedup else 0,
            tuple(packed(event.values[name]) for name in self.view.source.tiebreak),
            tuple(packed(event.values[name]) for name in self.layout.inputs),
        )

    def truth(self, at_us: int, time_us: int | None = None) -> Mapping[str, object] | None:
        """What a training set says at an instant, with `time_us` of that; None where a state view has no row."""
        rows = [self._row(event) for event in self._known(at_us)]
        spine = [{"carrier": "AA", "t": from_us(at_us if time_us is None else time_us), "known": from_us(at_us)}]
        asked: dict[str, Any] = {"keys": ["carrier"], "time": "t", "known": "known"}
        if self.view.kind == "state":
            found = states_naively(
                rows,
                spine,
                **asked,
                questions=[
                    StateQuestion(name=f.name, column=str(f.column), fill_last=f.fill_last) for f in self.view.features
                ],
                ttl_us=self.view.ttl_us,
            )[0]
            return None if found["event_time"] is None else {f.name: found[f.name] for f in self.view.features}
        questions = [
            WindowQuestion(
                name=f.name, op=f.op, column=f.column, window_us=f.window_us, offset_us=f.offset_us, n=f.n, q=f.q
            )
            for f in self.view.features
        ]
        return windows_naively(
            rows, spine, **asked, questions=questions, closed=self.view.closed, hop_us=self.view.hop_us
        )[0]

    def _known(self, at_us: int) -> Iterator[Event]:
        """The events that count at an instant: a copy within reach of the copy before it does not."""
        reach_us = self.layout.reach_us
        before: dict[int, int] = {}
        for event in sorted(self.events, key=self._copies):
            if event.available_us > at_us:
                continue
            last = before.get(event.name)
            before[event.name] = event.available_us
            if not self.layout.has_dedup or last is None or event.available_us - last > reach_us:
                yield event

    def _copies(self, event: Event) -> tuple[Any, ...]:
        """Copies in order; of one stamp by event time, then the greatest tiebreak, then as they were sent."""
        ties = [event.values[name] for name in self.view.source.tiebreak]
        reverse = tuple((0,) if v is None else (1, _Reversed(v)) for v in ties)
        return event.available_us, event.event_us, reverse, event.partition, event.offset

    def _row(self, event: Event) -> dict[str, object]:
        ties = {f"tie_{i}": event.values[name] for i, name in enumerate(self.view.source.tiebreak)}
        return {
            "carrier": "AA",
            "event_time": from_us(event.event_us),
            "available_at": from_us(event.available_us),
            "tie_order": (event.partition, event.offset),
            **event.values,
            **ties,
        }


class _Reversed:
    """A value that is ordered the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def random_values(random: Random) -> Mapping[str, object]:
    found: dict[str, object] = {
        "amount": random.choice([0.0, 1.5, -2.25, 1e9, random.random()]),
        "tax": random.choice([0.0, -1.5, random.random()]),
        "units": random.choice([0, 7, -3, 2**40, random.randrange(100)]),
        "is_late": random.random() < 0.5,
        "shop": random.choice(["", "a", "Zoë", "shop", "NaN"]),
        "price": Decimal(random.randrange(-500, 500)).scaleb(-2),
        "day": date(2026, 1, 1) + timedelta(days=random.randrange(5)),
        "seen_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(5)),
    }
    return {name: None if random.random() < 0.1 else value for name, value in found.items()}


def packed(value: object) -> object:
    """A value as MessagePack has it in a row."""
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def compacted(found: Compacted) -> list[bytes]:
    """The elements of a list that nobody else has written meanwhile."""
    if found.left:
        return [found.head, *found.left]
    return [] if found.alone is None else [found.alone]


def random_stream(seed: int, max_age_us: int = 0) -> Stream:
    """A stream of a random view."""
    random = Random(seed)
    view = random_view(random)
    return Stream(random, layout_of(view, max_age_us), view, share_of_names=random.choice([1.0, 0.9, 0.5]))


LONGEST_US = AHEAD_US + MARGIN_US
