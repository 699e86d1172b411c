"""Which rows a question may see: those with available_at <= t, where t is when it was asked.

That is the end of its windows, or later: what happened before an instant is often known only after it.

Along the rows of one key, availability mostly rises: what happened later is known later. Where it does, the rows
known at t are the first so many. So, for every question, three stretches of its key's rows:

    [start, settled)     all known at t: the greatest availability so far is at most t
    [settled, possible)  some known, some not: gathered and looked at one by one
    [possible, end)      none known: the least availability from here on is after t

A constant delay leaves the middle empty. A row that is known later than one 64 places behind it would widen the
middle for many questions, so such rows form a layer of their own, answered in the same way, and so on: in every
layer but the last the middle is at most 64 rows. Which layer a row is in depends on its key's rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from featurectl.pit.arrays import CHUNK_ROWS, Bools, Ints, batches, running_total, unroll
from featurectl.pit.inputs import InputColumns
from featurectl.pit.keys import Groups, Probes, SortedTable
from featurectl.pit.lanes import Lane, LaneRanges
from featurectl.pit.ranges import Times, greatest_so_far, least_from_here

_LAYERS = 5
_OVERTAKEN_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Rows whose availability can be searched.

    `available` is no earlier than the event time: a row is in no window before its event time anyway.
    """

    lane: Lane
    event_time: Ints
    available: Ints
    constant_delay_us: int | None = None  # None: the rows tell

    @cached_property
    def events(self) -> Times:
        """The event times of each key."""
        return Times(self.event_time, self.lane.groups)

    @cached_property
    def delay(self) -> int | None:
        """The delay of all rows when it is one and the same."""
        if self.constant_delay_us is not None or len(self.available) == 0:
            return max(self.constant_delay_us or 0, 0)
        delay = self.available - self.event_time
        least = int(delay.min())
        return least if least == int(delay.max()) else None

    @cached_property
    def all_known_until(self) -> Ints:
        """For each row the instant from which it and all rows before it are known."""
        return greatest_so_far(self.available, self.lane.groups)

    @cached_property
    def none_known_before(self) -> Ints:
        """For each row the instant before which neither it nor a row after it is known."""
        return least_from_here(self.available, self.lane.groups)

    def overtaken(self) -> Bools:
        """Return which rows become known after a row of the same key 64 or more places behind them."""
        late = np.zeros(len(self.available), np.bool_)
        owner, least = self.lane.groups.owner, self.none_known_before
        far = slice(_OVERTAKEN_ROWS, None)
        near = slice(None, len(late) - _OVERTAKEN_ROWS if len(late) > _OVERTAKEN_ROWS else 0)
        late[near] = (owner[near] == owner[far]) & (self.available[near] > least[far])
        return late

    def stretches(self, probes: Probes) -> tuple[Ints, Ints] | None:
        """Return (settled, possible) of each probe, positions in the lane; None with one delay: `Sight` looks then."""
        group, known = probes.group, probes.known
        if self.delay is not None:
            return None
        settled = Times(self.all_known_until, self.lane.groups).count(group, known, "right")
        if np.array_equal(self.all_known_until, self.none_known_before):
            return settled, settled
        return settled, Times(self.none_known_before, self.lane.groups).count(group, known, "right")


def sees_all(table: SortedTable, probes: Probes) -> bool:
    """Return whether every row is true and known at the time of each probe, so that none need be looked for."""
    if not len(table.event_time) or not len(probes.time):
        return False
    are_true = probes.time.min() >= table.event_time.max()
    return bool(are_true and probes.known.min() >= table.available_at.max())


def layers(table: SortedTable) -> list[Layer]:
    """Return the table's rows by how far others overtake them; most tables have one layer."""
    every = Lane(InputColumns(table.frame), table.groups)
    available = np.maximum(table.available_at, table.event_time)
    rest = Layer(lane=every, event_time=table.event_time, available=available, constant_delay_us=table.delay_us)
    found: list[Layer] = []
    while len(found) < _LAYERS - 1 and rest.delay is None:
        late = rest.overtaken()
        if not late.any():
            break
        found.append(_part_of(rest, ~late))
        rest = _part_of(rest, late)
    return [*found, rest]


def _part_of(layer: Layer, chosen: Bools) -> Layer:
    lane, _ = layer.lane.keep(chosen)
    return Layer(lane=lane, event_time=layer.event_time[chosen], available=layer.available[chosen])


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a batch of probes sees of one layer; `stretches` is None where all rows have one delay."""

    layer: Layer
    group: Ints
    time: Ints
    known: Ints
    stretches: tuple[Ints, Ints] | None

    def parts(self, lo: Ints, hi: Ints, before_us: int = 0) -> list[LaneRanges]:
        """Return the rows of each range [lo, hi) of the layer that are known to its probe, as disjoint parts.

        The ranges hold no row that happened later than `before_us` before the probe's time.
        """
        if self.stretches is None:
            return [self._part(lo, hi if self._delay <= before_us else np.minimum(hi, self._known))]
        settled, possible = self.stretches
        known = self._part(lo, np.minimum(hi, settled))
        if self._checked is None:
            return [known]
        lane, before, start = self._checked
        first = np.clip(lo, settled, possible) - settled
        last = np.clip(hi, settled, possible) - settled
        checked_lo, checked_hi = before[start + first], before[start + np.maximum(first, last)]
        return [known, LaneRanges(lane=lane, lo=checked_lo, hi=checked_hi, group=np.arange(len(lo)))]

    def _part(self, lo: Ints, hi: Ints) -> LaneRanges:
        return LaneRanges(lane=self.layer.lane, lo=lo, hi=np.maximum(lo, hi), group=self.group)

    @property
    def _delay(self) -> int:
        assert self.layer.delay is not None
        return self.layer.delay

    @cached_property
    def _known(self) -> Ints:
        """The position behind the last row that is known to each probe, where all rows have one delay."""
        return self.layer.events.count(self.group, self.known - self._delay, "right")

    @cached_property
    def _checked(self) -> tuple[Lane, Ints, Ints] | None:
        """The known rows of the middle stretches, a group for each probe, found one by one."""
        assert self.stretches is not None
        settled, possible = self.stretches
        sizes = possible - settled
        if not sizes.any():
            return None
        positions, owner = unroll(settled, possible)
        known = self.layer.available[positions] <= self.known[owner]
        start = running_total(sizes)
        middle = Lane(
            self.layer.lane.inputs,
            Groups(starts=start[:-1], ends=start[1:]),
            self.layer.lane.table_rows(positions),
        )
        lane, before = middle.keep(known)
        return lane, before, start[:-1]


def sights(found: list[Layer], probes: Probes) -> Iterator[list[Sight]]:
    """Yield batches of probes in order, each as its sight of every layer; bounded in rows to look at one by one."""
    stretches = [layer.stretches(probes) for layer in found]
    sizes = np.zeros(len(probes.group), np.int64)
    for pair in stretches:
        sizes += 0 if pair is None else pair[1] - pair[0]
    for start, stop in batches(sizes, CHUNK_ROWS) or [(0, 0)]:
        yield [
            Sight(
                layer=layer,
                group=probes.group[start:stop],
                time=probes.time[start:stop],
                known=probes.known[start:stop],
                stretches=None if pair is None else (pair[0][start:stop], pair[1][start:stop]),
            )
            for layer, pair in zip(found, stretches, strict=True)
        ]
