"""The register of a source: stamps, `applied`, generations. Each method is one script of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.streaming.model.rules import Rules

LEAST = 1e-7  # between two stamps
FOREVER = float(2**53 - 1)  # `applied` of a partition whose topic was made again: nothing comes of it any more
NONE = -1  # no generation can be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """Offsets of a partition, from `first` to before `end`, that became available at one instant."""

    first: int
    end: int
    stamp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The stamps of a batch's offsets, and the generations to write, with their cuts in the partition."""

    stamps: Mapping[int, float]
    generations: tuple[int, ...]
    cuts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStamps:
    """What a worker knows of offsets that the register may have lost: their stamps in the log, and in its memory."""

    logged: Mapping[int, float]
    own: Mapping[int, float]

    def of(self, offset: int) -> float | None:
        """Return the stamp of an offset."""
        return self.logged.get(offset) or self.own.get(offset)


@dataclass(slots=True, kw_only=True, eq=False)
class Partition:
    """What the register knows of one partition: `end` is stamped, `done` is in the lists, `applied` is promised."""

    applied: float = 0.0
    done: int = 0
    ranges: list[Stamped] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The first offset without a stamp."""
        return self.ranges[-1].end if self.ranges else 0

    @property
    def last(self) -> float:
        """The greatest stamp."""
        return self.ranges[-1].stamp if self.ranges else 0.0

    def known(self, first: int, end: int) -> dict[int, float]:
        """Return the stamps of those of some offsets that have one."""
        return {offset: r.stamp for r in self.ranges for offset in range(max(first, r.first), min(end, r.end))}

    def copy(self) -> Partition:
        """Return a copy that goes its own way."""
        return Partition(applied=self.applied, done=self.done, ranges=list(self.ranges))


@dataclass(slots=True, kw_only=True)
class Register:
    """One hash of the online store for a source."""

    rules: Rules
    partitions: list[Partition] = field(default_factory=list)
    last: float = 0.0
    held_asof: float = 0.0  # where all partitions are retired
    generations: list[int] = field(default_factory=lambda: [0])
    live: int = 0
    cuts: dict[int, list[int]] = field(default_factory=dict)

    @property
    def asof(self) -> float:
        """The instant up to which all partitions are applied that are not retired."""
        return min((part.applied for part in self.partitions if part.applied < FOREVER), default=self.held_asof)

    @property
    def _named(self) -> tuple[int, ...]:
        return tuple(self.generations) if self.rules.generations_are_named else (self.live,)

    def add_partition(self) -> None:
        """Begin with a partition that nobody has read."""
        known = bool(self.partitions) and self.rules.partition_begins_at_asof
        self.partitions.append(Partition(applied=self.asof if known else 0.0))

    def claim(self, p: int, batch: range, clock: float, known: KnownStamps) -> Claim | None:
        """Stamp the offsets that have no stamp: by the log's, by the worker's own, else by one new instant.

        None where they begin behind the stamped end.
        """
        part = self.partitions[p]
        if part.applied == FOREVER and self.rules.retired_are_refused:
            return None
        if batch.start > part.end and self.rules.claim_refuses_gap:
            return None
        fresh, offset = 0.0, max(batch.start, part.end)
        while offset < batch.stop or self._goes_on(part, offset, known):
            stamp = fresh or self._known_stamp(part, offset, known)
            if stamp is None:
                stamp = fresh = self._new_stamp(part, clock)
            self._add(part, offset, stamp)
            offset += 1
        return Claim(
            stamps=part.known(batch.start, batch.stop),
            generations=self._named,
            cuts=tuple(self.cut(generation, p) for generation in self._named),
        )

    def _goes_on(self, part: Partition, offset: int, known: KnownStamps) -> bool:
        """Return whether an offset has the lost stamp of the one before it, so that both are stamped together."""
        return self.rules.known_stamps_are_whole and known.of(offset) == part.last

    def _known_stamp(self, part: Partition, offset: int, known: KnownStamps) -> float | None:
        if offset in known.logged and self.rules.logged_stamps_stay:
            return known.logged[offset]
        stamp = known.own.get(offset)
        if stamp is None or not self.rules.stamps_increase:
            return stamp
        return stamp if stamp >= part.last and stamp > part.applied else None

    def _new_stamp(self, part: Partition, clock: float) -> float:
        if not self.rules.stamps_increase:
            return clock
        return max(clock, self.last + LEAST, part.applied + LEAST)

    def _add(self, part: Partition, offset: int, stamp: float) -> None:
        self.last = max(self.last, stamp)
        if part.ranges and part.ranges[-1].end == offset and part.ranges[-1].stamp == stamp:
            part.ranges[-1] = Stamped(first=part.ranges[-1].first, end=offset + 1, stamp=stamp)
        else:
            part.ranges.append(Stamped(first=offset, end=offset + 1, stamp=stamp))

    def finish(self, p: int, first: int, end: int, written: tuple[int, ...]) -> bool:
        """`done`: offsets are in the lists of these generations; False, the worker begins anew."""
        part, rules = self.partitions[p], self.rules
        if part.applied == FOREVER and rules.retired_are_refused:
            return False
        if end > part.end or (first > part.done and rules.done_refuses_gap):
            return False
        if not {*self._named} <= {*written}:
            return False
        part.done = max(part.done, end)
        whole = [r.stamp for r in part.ranges if (r.end if rules.stamps_are_whole else r.first + 1) <= part.done]
        part.applied = max([part.applied, *whole[-1:]])
        return True

    def heartbeat(self, p: int, position: int, clock: float, *, at_end: bool) -> bool:
        """Promise that nothing came up to now; False, the worker begins anew."""
        part, rules = self.partitions[p], self.rules
        if part.applied == FOREVER and rules.retired_are_refused:
            return False
        if rules.heartbeat_compares and not position == part.end == part.done:
            return position <= part.end
        if at_end or not rules.heartbeat_at_end:
            part.applied = max(part.applied, clock)
        return True

    def retire(self, logged: Mapping[int, tuple[int, float]]) -> float | None:
        """Have no more of some partitions than the log has, up to an offset and a last stamp.

        Where that is not what lists have, a rebuild begins. Return the least stamp of what is in no log.
        """
        retired = {self.partitions[p]: logged[p] for p in logged if self.partitions[p].applied < FOREVER}
        self.held_asof = self.asof
        lost = [r.stamp for part, (end, _) in retired.items() for r in part.ranges if r.end > end]
        if (
            any(not part.end == part.done == end for part, (end, _) in retired.items())
            and self.rules.retired_are_rebuilt
        ):
            self.void()
        for part, (end, stamp) in retired.items():
            part.ranges = [Stamped(first=0, end=end, stamp=stamp)] if end else []
            part.done, part.applied, self.last = end, FOREVER, max(self.last, stamp)
        return min(lost, default=None)

    def add_generation(self, generation: int) -> tuple[list[int], float]:
        """Name a generation to be written beside the one that is read; return its cuts, and `asof`."""
        self.generations = [*self._read, generation]
        self.cuts[generation] = [part.end for part in self.partitions]
        return self.cuts[generation], self.asof

    def switch_generation(self, generation: int) -> int | None:
        """Have a generation read and written alone; return the one before, None while its cut is not done."""
        if any(part.done < cut for part, cut in zip(self.partitions, self.cuts[generation], strict=False)):
            return None
        old, self.live, self.generations = self.live, generation, [generation]
        return old

    def give_up_generation(self) -> None:
        """Write only the generation that is read."""
        self.generations = self._read

    @property
    def _read(self) -> list[int]:
        return [] if self.live == NONE else [self.live]

    def void(self) -> None:
        """Give up all generations: lists have stamps that this register lost."""
        self.live, self.generations = NONE, []

    def cut(self, generation: int, p: int) -> int:
        """Return the first offset of a partition that a generation has as a record; those before it are in heads."""
        cuts = self.cuts.get(generation, [])
        return cuts[p] if p < len(cuts) else 0

    def copy(self) -> Register:
        """Return a copy that goes its own way."""
        return Register(
            rules=self.rules,
            partitions=[part.copy() for part in self.partitions],
            last=self.last,
            held_asof=self.held_asof,
            generations=list(self.generations),
            live=self.live,
            cuts=dict(self.cuts),
        )
