"""The register as the simulation has it, with generations by view and stamps that are forgotten: a naive oracle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from featurectl.online.stream_state.base import Generation, KnownStamps, RetiredPartition, StampRange
from tests.streaming.model import register as model
from tests.streaming.model.rules import Rules

Claimed: TypeAlias = tuple[dict[int, float], dict[Generation, int]]


class WholeRegister(model.Register):
    """A register whose instants are whole microseconds."""

    def _new_stamp(self, part: model.Partition, clock: float) -> float:
        return max(clock, self.last + 1, part.applied + 1)


@dataclass
class View:
    live: str | None = None
    named: list[str] = field(default_factory=list)


class Oracle:
    """What a register answers."""

    def __init__(self) -> None:
        self.model = WholeRegister(rules=Rules())
        self.names: list[str] = []
        self.kept: list[int] = []
        self.views: dict[str, View] = {}
        self.cuts: dict[Generation, list[int]] = {}
        self.added: dict[Generation, float] = {}

    @property
    def asof(self) -> float:
        return self.model.asof if self.names else 0

    def add_partition(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
            self.kept.append(0)
            self.model.add_partition()
        return self.names.index(name)

    def claim(self, p: int, first: int, end: int, known: KnownStamps, clock: int) -> Claimed | None:
        """Return the stamp of each offset and the cut of each generation, or None."""
        if p >= len(self.names):
            return None
        logged, own = offsets(known.logged), offsets(known.own)
        forgotten = range(first, min(end, self.kept[p]))
        if not {*forgotten} <= {*logged}:
            return None
        stamps = model.KnownStamps(logged=logged, own=own)
        claim = self.model.claim(p, range(first, end), clock, stamps)
        if claim is None:
            return None
        cuts = {g: self.cuts[g][p] if p < len(self.cuts[g]) else 0 for g in self.named()}
        return dict(claim.stamps) | {offset: logged[offset] for offset in forgotten}, cuts

    def begin_stamps(self, instant: int) -> float:
        """Return an instant before which no stamp is that is kept, or will be given."""
        begun = max(instant, self.model.last + 1)
        self.model.last = begun - 1
        active = [p for p, part in enumerate(self.model.partitions) if part.applied < model.FOREVER]
        return min([begun, *(stamp for p in active for stamp in self.stamps(p).values())])

    def finish(self, p: int, first: int, end: int, written: list[Generation]) -> bool:
        if p >= len(self.names):
            return False
        self.model.generations = self.named()  # type: ignore[assignment]
        return self.model.finish(p, first, end, tuple(written))  # type: ignore[arg-type]

    def heartbeat(self, p: int, position: int, clock: int, *, at_end: bool) -> bool:
        return p < len(self.names) and self.model.heartbeat(p, position, clock, at_end=at_end)

    def retire(self, retired: Iterable[RetiredPartition]) -> float | None:
        """Return the least stamp of what is lost."""
        logged = {self.names.index(of.name): (of.end, of.stamp) for of in retired if of.name in self.names}
        active = {p: end for p, (end, _) in logged.items() if self.model.partitions[p].applied < model.FOREVER}
        self.model.live, self.model.generations = 0, [0]
        lost = self.model.retire(logged)
        if self.model.live == model.NONE:
            self.void()
        for p, end in active.items():
            self.kept[p] = end
        return lost

    def forget(self, p: int, below: int, kept: int) -> None:
        """Take what a store kept; a stamp that came back whole after a part of it was done may be two ranges there."""
        part = self.model.partitions[p]
        if part.applied == model.FOREVER:
            assert kept == self.kept[p]
            return
        most = min(below, part.done)
        least = max([self.kept[p], *(each.end for each in part.ranges if each.end <= most)])
        assert kept in range(least, max(most, least) + 1)
        self.kept[p] = kept

    def stamps(self, p: int) -> dict[int, float]:
        return self.model.partitions[p].known(self.kept[p], self.model.partitions[p].end)

    def whole_stamps(self, p: int) -> dict[int, int]:
        """Return all stamps of a partition, those that were forgotten, too."""
        part = self.model.partitions[p]
        return {offset: int(stamp) for offset, stamp in part.known(0, part.end).items()}

    def named(self) -> list[Generation]:
        return [Generation(view=view, id=name) for view in sorted(self.views) for name in self.views[view].named]

    def add(self, generation: Generation) -> tuple[dict[int, int], float]:
        view = self.views.setdefault(generation.view, View())
        was_named = generation.id in view.named
        view.named = [name for name in view.named if name in (view.live, generation.id)]
        if not was_named:
            view.named.append(generation.id)
            self.cuts[generation] = [part.end for part in self.model.partitions]
            self.added[generation] = self.asof
        return dict(enumerate(self.cuts[generation])), self.added[generation]

    def switch(self, generation: Generation) -> bool:
        view = self.views.get(generation.view, View())
        cuts = zip(self.model.partitions, self.cuts.get(generation, []), strict=False)
        if generation.id not in view.named or any(part.done < cut for part, cut in cuts):
            return False
        view.live, view.named = generation.id, [generation.id]
        return True

    def drop(self, generation: Generation) -> None:
        view = self.views.get(generation.view, View())
        view.named = [name for name in view.named if name != generation.id]
        view.live = None if view.live == generation.id else view.live

    def drop_unread(self, generation: Generation) -> bool:
        if self.views.get(generation.view, View()).live == generation.id:
            return False
        self.drop(generation)
        return True

    def void(self) -> None:
        for view in self.views.values():
            view.live, view.named = None, []


def offsets(ranges: Iterable[StampRange]) -> dict[int, int]:
    return {offset: each.stamp for each in ranges for offset in range(each.first, each.end)}


def ranges(stamps: dict[int, int]) -> list[StampRange]:
    """Return stamps by offset as ranges."""
    found: list[StampRange] = []
    for offset, stamp in sorted(stamps.items()):
        if found and found[-1].end == offset and found[-1].stamp == stamp:
            found[-1] = StampRange(first=found[-1].first, end=offset + 1, stamp=stamp)
        else:
            found.append(StampRange(first=offset, end=offset + 1, stamp=stamp))
    return found
