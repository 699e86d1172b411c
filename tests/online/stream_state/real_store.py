"""A real online store in the place of the simulated one, for the same histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from featurectl.online.stream_state import base
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    Generation,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ListSeed,
    ReadingPosition,
    StampRange,
    StreamPoll,
    StreamSource,
)
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from tests.online.stream_state.elements import pack, unpack
from tests.online.stream_state.oracle import ranges
from tests.streaming.model.register import FOREVER, NONE, Claim, KnownStamps, Partition, Register, Stamped
from tests.streaming.model.rules import Rules
from tests.streaming.model.store import PATIENCE, Element, ListKey, Poll, Rows, Store
from tests.streaming.model.views import VIEWS, Head, Record, View

T = TypeVar("T")
MANY = 9_999  # partitions that there never are


def us(seconds: float) -> int:
    return round(seconds * 1_000_000)


class Losses(Protocol):
    """How the store of a test comes back from an older snapshot, one master of it at a time."""

    masters: list[str]

    def key_of(self, entity: int) -> bytes:
        """Return a key that lies on the entity's master."""

    def keep(self, m: int) -> None:
        """Take a snapshot."""

    def restore(self, m: int) -> None:
        """Put it in the place of what is there, and end all connections."""


@dataclass(kw_only=True)
class Link:
    """Connections to a store, opened again when they are lost, which a worker sees by its epoch."""

    state: StreamState
    source: StreamSource
    epoch: int = 0
    connection: StreamConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.state.connect(self.source)

    def check(self) -> int:
        """Return how often the connections were opened again."""
        try:
            self.connection.check()
        except ConnectionLostError:
            self._open_again()
        return self.epoch

    def do(self, operation: Callable[[StreamConnection], T]) -> T:
        """Do something with which nothing is in flight; what is, is given up by whoever sees the epoch."""
        try:
            return operation(self.connection)
        except ConnectionLostError:
            self._open_again()
            return operation(self.connection)

    def add(self, generation: Generation) -> base.NewGeneration:
        return self.do(lambda of: of.generations.add(generation))

    def switch(self, generation: Generation) -> bool:
        return self.do(lambda of: of.generations.switch(generation))

    def drop(self, generation: Generation) -> None:
        self.do(lambda of: of.generations.drop(generation))

    def make_ready(self, generation: Generation, seeded: Mapping[str, int], cuts: Mapping[int, int]) -> bool:
        return self.do(lambda of: of.lists.make_ready(generation, seeded, cuts))

    def forget(self, partition: int, below: int) -> None:
        self.do(lambda of: of.register.forget(partition, below))

    def _open_again(self) -> None:
        self.connection.close()
        self.epoch += 1
        self.connection = self.state.connect(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealPoll(Poll):
    """What a reader knows of a real register."""

    real: StreamPoll


class RealPartition(Partition):
    """A partition of a real register, as of one moment but for its stamps."""

    __slots__ = ("_end", "_stamps")

    def __init__(self, real: base.StreamPartition, stamps: Callable[[int, int], Sequence[StampRange]]) -> None:
        super().__init__(applied=FOREVER if real.is_retired else real.applied / 1e6, done=real.done)
        self._end = real.end
        self._stamps = stamps

    @property
    def end(self) -> int:
        return self._end

    def known(self, first: int, end: int) -> dict[int, float]:
        return {o: each.stamp / 1e6 for each in self._stamps(first, end) for o in range(each.first, each.end)}

    def copy(self) -> Partition:
        found = [Stamped(first=each.first, end=each.end, stamp=each.stamp / 1e6) for each in self._stamps(0, self._end)]
        return Partition(applied=self.applied, done=self.done, ranges=found)


class RealRegister(Register):
    """The register of a real store, whose generations are those of all views."""

    def __init__(self, link: Link, rules: Rules) -> None:
        self._link = link
        self.rules = rules

    def _state(self) -> base.RegisterState:
        return self._link.do(lambda of: of.register.read_state())

    @property
    def partitions(self) -> list[Partition]:  # type: ignore[override]
        return [RealPartition(of, self._stamps_of(of.number)) for of in self._state().partitions]

    def _stamps_of(self, p: int) -> Callable[[int, int], Sequence[StampRange]]:
        return lambda first, end: self._link.do(lambda of: of.register.read_stamps(p, first, end))

    @property
    def last(self) -> float:  # type: ignore[override]
        return self._state().last / 1e6

    @property
    def asof(self) -> float:
        return self._state().asof / 1e6

    @property
    def live(self) -> int:  # type: ignore[override]
        [live] = {of.live for of in self._state().views.values()}
        return NONE if live is None else int(live, 16)

    @property
    def generations(self) -> list[int]:  # type: ignore[override]
        [named] = {tuple(of.named) for of in self._state().views.values()}
        return [int(name, 16) for name in named]

    def claim(self, p: int, batch: range, clock: float, known: KnownStamps) -> Claim | None:  # noqa: ARG002
        def logged(stamps: Mapping[int, float]) -> list[StampRange]:
            return ranges({offset: us(stamp) for offset, stamp in stamps.items() if offset >= batch.start})

        stamps = base.KnownStamps(logged=logged(known.logged), own=logged(known.own))
        claim = self._link.do(lambda of: of.register.claim(p, batch.start, batch.stop, stamps))
        if claim is None:
            return None
        exact = [each for each in claim.generations if each.generation.view == "exact@1"]
        assert len(claim.generations) == len(VIEWS) * len(exact)
        return Claim(
            stamps={o: each.stamp / 1e6 for each in claim.stamps for o in range(each.first, each.end)},
            generations=tuple(int(each.generation.id, 16) for each in exact),
            cuts=tuple(each.cut for each in exact),
        )

    def finish(self, p: int, first: int, end: int, written: tuple[int, ...]) -> bool:
        names = [each for generation in written for each in of_views(generation)]
        return self._link.do(lambda of: of.register.finish(p, first, end, names))

    def heartbeat(self, p: int, position: int, clock: float, *, at_end: bool) -> bool:  # noqa: ARG002
        at = ReadingPosition(partition=p, position=position, at_end=at_end)
        [answer] = self._link.do(lambda of: of.register.heartbeat([at]))
        return answer

    def retire(self, logged: Mapping[int, tuple[int, float]]) -> float | None:
        retired = [
            base.RetiredPartition(name=f"swipes/{p}#0", end=end, stamp=us(stamp)) for p, (end, stamp) in logged.items()
        ]
        found = self._link.do(lambda of: of.register.retire(retired))
        assert found is not None
        return None if found.lost_from is None else found.lost_from / 1e6

    def add_generation(self, generation: int) -> tuple[list[int], float]:
        added = [self._link.add(each) for each in of_views(generation)]
        assert added[1:] == added[:-1]
        return [cut for _, cut in sorted(added[0].cuts.items())], added[0].asof / 1e6

    def switch_generation(self, generation: int) -> int | None:
        old = self.live
        switched = {self._link.switch(each) for each in of_views(generation)}
        return old if switched == {True} else None

    def give_up_generation(self) -> None:
        for generation in {*self.generations} - {self.live}:
            for each in of_views(generation):
                self._link.drop(each)

    def void(self) -> None:
        self._link.do(lambda of: of.generations.void())

    def copy(self) -> Register:
        return Register(rules=self.rules, partitions=[part.copy() for part in self.partitions], last=self.last)


def of_views(generation: int) -> list[Generation]:
    """Return a generation of all views."""
    return [Generation(view=f"{view}@1", id=f"{generation:x}") for view in VIEWS]


class RealStore(Store):
    """A real store, or what a worker, a compactor or a rebuild has of it."""

    forgets_who_is_ready = True

    def __init__(
        self, state: StreamState, source: StreamSource, losses: Losses, shared: RealStore | None = None
    ) -> None:
        self.rules = Rules()
        self.state, self.source, self.losses = state, source, losses
        self.behind = 0.0
        self.link = Link(state=state, source=source)
        self.links: list[Link] = [] if shared is None else shared.links
        self.links.append(self.link)
        self.register = RealRegister(self.link, self.rules)
        if shared is None:
            self._begin()

    def _begin(self) -> None:
        """Begin with generations that need no heads."""
        connection = self.link.connection
        for each in of_views(0):
            connection.generations.add(each)
            assert connection.lists.make_ready(each, connection.lists.seed(each, []), {})
            assert connection.generations.switch(each)
        self._keep()

    def _keep(self) -> None:
        for m in range(len(self.losses.masters)):
            self.losses.keep(m)

    @property
    def epochs(self) -> list[int]:  # type: ignore[override]
        return [self.link.check()] * len(self.losses.masters)

    @property
    def is_cluster(self) -> bool:
        return len(self.losses.masters) > 1

    @property
    def is_unreadable(self) -> bool:
        return self.register.live == NONE or bool(self.link.do(lambda of: of.lists.unready()))

    def connect(self) -> Store:
        return RealStore(self.state, self.source, self.losses, self)

    def add_partition(self) -> None:
        number = len(self.register.partitions)
        assert self.link.do(lambda of: of.register.add_partition(f"swipes/{number}#0")) == number
        self._keep()

    def replicate(self, m: int) -> None:
        self.losses.keep(m)

    def fail_over(self, m: int) -> None:
        self.losses.restore(m)

    def forget(self, ends: Sequence[int]) -> None:
        for p, end in enumerate(ends):
            self.link.forget(p, end)

    def marks(self, p: int) -> list[int]:
        return self.link.do(lambda of: of.lists.marks(p))

    def append(self, generations: Sequence[int], record: Record, entity: int) -> None:
        key, packed = [self.losses.key_of(entity)], [pack(record)]
        wanted = [each for generation in generations for each in of_views(generation)]
        appends = [ListAppend(generation=each, entities=key, elements=packed) for each in wanted]
        lengths = self.link.do(lambda of: of.lists.append(appends))
        assert [[*of] for of in lengths] == [key] * len(wanted)

    def mark(self, m: int, p: int, claim: Claim, batch: range) -> bool:
        if m:
            return True  # all masters have their marks in one trip
        cuts = [
            base.GenerationCut(generation=each, cut=cut)
            for generation, cut in zip(claim.generations, claim.cuts, strict=True)
            for each in of_views(generation)
        ]
        return self.link.do(lambda of: of.lists.mark(p, batch.start, batch.stop, cuts))

    def make_ready(self, m: int, generation: int, cuts: list[int], heads: int) -> bool:
        seeded = {self.losses.masters[m]: heads // len(VIEWS)}
        numbered = dict(enumerate(cuts))
        done = {self.link.make_ready(each, seeded, numbered) for each in of_views(generation)}
        return done == {True}

    def poll(self) -> Poll:
        real = self.state.read_poll(self.source)
        [live] = {real.live.get(f"{view}@1") for view in VIEWS}
        done = tuple(real.done[p] for p in sorted(real.done))
        return RealPoll(asof=real.asof / 1e6, live=NONE if live is None else int(live, 16), done=done, real=real)

    def fetch(self, view: View, entity: int, poll: Poll) -> Rows:
        assert isinstance(poll, RealPoll)
        ask = ListsAsk(view=f"{view}@1", entities=[self.losses.key_of(entity)])
        [answer] = self.state.fetch(self.source, poll.real, [ask])
        found = None if answer.lists is None else answer.lists[0]
        if found is None:
            return Rows(elements=(), marks=(), is_ready=False)
        return Rows(elements=unpacked(found), marks=marks_of(found) or (), is_ready=True)

    def lists(self, view: View, generation: int, entity: int) -> tuple[Element, ...]:
        found = self._read(view, entity)
        return () if generation == NONE or found is None else unpacked(found)

    def marks_of(self, entity: int, generation: int) -> tuple[int, ...] | None:  # noqa: ARG002
        found = self._read("exact", entity)
        return None if found is None else marks_of(found)

    def _read(self, view: View, entity: int) -> base.EntityList | None:
        ask = ListsAsk(view=f"{view}@1", entities=[self.losses.key_of(entity)])
        _, [[found]] = self.link.do(lambda of: of.lists.read([ask]))
        return found

    def replace(self, key: ListKey, read: tuple[Element, ...], folded: tuple[Head, list[Record]], clock: float) -> bool:
        generation, view, entity = key
        head, left = folded
        alone: Head | None = replace(head, empty_since=0.0)
        if head.is_empty:
            is_old = 0.0 < head.empty_since < clock - PATIENCE
            alone = None if is_old else replace(head, empty_since=head.empty_since or clock)
        wanted = ListReplacement(
            generation=Generation(view=f"{view}@1", id=f"{generation:x}"),
            entity=self.losses.key_of(entity),
            read=len(read),
            digest=base.digest_of([pack(element) for element in read]),
            head=pack(replace(head, empty_since=0.0)),
            left=[pack(record) for record in left],
            alone=None if alone is None else pack(alone),
        )
        [done] = self.link.do(lambda of: of.lists.replace([wanted]))
        return done

    def seed(self, key: ListKey, head: Head) -> None:
        generation, view, entity = key
        seed = ListSeed(entity=self.losses.key_of(entity), head=pack(head))
        self.link.do(lambda of: of.lists.seed(Generation(view=f"{view}@1", id=f"{generation:x}"), [seed]))

    def drop(self, generation: int) -> None:
        if generation != NONE:
            for each in of_views(generation):
                self.state.drop_lists(self.source, each)
        sum(self.state.sweeping(self.source, [f"{view}@1" for view in VIEWS]))


def unpacked(found: base.EntityList) -> tuple[Element, ...]:
    return tuple(unpack(element) for element in found.elements)


def marks_of(found: base.EntityList) -> tuple[int, ...] | None:
    """Return the marks of all partitions that there may be; 0 where there is none."""
    return None if found.marks is None else tuple(found.marks.get(p, 0) for p in range(200))
