"""What a kind of online store does for streams. Every method raises `StoreError` when the store fails.

Who writes does it over one connection to each server, which is never opened again by itself: what was begun before a
loss is not ended after it. Where a connection is not what it was, that is `ConnectionLostError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol

from featurectl.online.base import AsyncRowReader
from featurectl.online.stream_state.base import (
    RETIRED,
    EntityList,
    Generation,
    GenerationCut,
    KnownStamps,
    ListAppend,
    ListReplacement,
    ListsAnswer,
    ListsAsk,
    ListSeed,
    NewGeneration,
    PartitionRetirement,
    ReadingPosition,
    RegisterState,
    RetiredPartition,
    StampClaim,
    StampRange,
    StreamPoll,
    StreamSource,
)

MicrosecondClock = Callable[[], int]  # microseconds since 1970; a test's own, else the server's is used


class StampRegister(Protocol):
    """The stamps of a source: each method is one step of the store, which nothing comes between."""

    def add_partition(self, name: str, first: int = 0) -> int:
        """Return the number of a partition, which begins at an offset and at `asof` where it was not known."""

    def claim(self, partition: int, first: int, end: int, known: KnownStamps) -> StampClaim | None:
        """Stamp the offsets from `first` to before `end` that have no stamp: by the log's, the worker's own, or anew.

        None: they begin behind the stamped end, or before what is kept and the log's stamps are not given, or the
        partition is not known; the worker begins anew.
        """

    def begin_stamps(self, least: int | None = None) -> int:
        """Return an instant before which no stamp is that is kept or will be given: as late a one as there is.

        It is that of the least stamp that is kept; where there is none the clock's, or `least` in its place, but behind
        every stamp that was given. The clock may be set back then: stamps are given from that instant on.
        """

    def finish(self, partition: int, first: int, end: int, written: Sequence[Generation]) -> bool:
        """Say that offsets are in the lists of some generations; False: the worker begins anew."""

    def heartbeat(self, positions: Sequence[ReadingPosition]) -> list[bool]:
        """Promise that nothing came up to now in partitions of a worker; False of one: it begins anew with that."""

    def retire(self, partitions: Sequence[RetiredPartition], until: int = RETIRED) -> PartitionRetirement | None:
        """Have nothing come of some partitions any more, nor wait for them; those that are not known are left out.

        Of each there is what the log has: where lists have more or less, all generations are given up. Claims of it
        are refused from then on. None, and nothing is done, where more was taken of one than was looked at, or
        `asof` or a stamp is later than `until`: what the log says of answers up to then would not be all.
        """

    def forget(self, partition: int, below: int) -> None:
        """Let go the stamps of ranges that end at or before a logged offset and are done."""

    def read_state(self) -> RegisterState:
        """Return what the register holds, but the stamps."""

    def read_stamps(self, partition: int, first: int, end: int) -> list[StampRange]:
        """Return the stamps that are kept of some offsets, in their order."""


class GenerationRegister(Protocol):
    """Which generations of lists are written and read: each method is one step of the store."""

    def add(self, generation: Generation, layout: str = "") -> NewGeneration:
        """Name a generation to be written from now on, in the place of one of its view that was never read.

        `layout` is the document of what its lists keep, which readers ask for; one that was named has its own already.
        """

    def switch(self, generation: Generation) -> bool:
        """Have a generation read and written alone; False where it is not named, or not all before its cut is done."""

    def drop(self, generation: Generation) -> None:
        """Neither write nor read a generation any more."""

    def drop_unread(self, generation: Generation) -> bool:
        """Write a generation no more, unless it is read; return whether it is neither written nor read now."""

    def void(self) -> None:
        """Give up all generations: lists have stamps that the register lost."""


class StateLists(Protocol):
    """The lists of a source's views, and what says that they are whole."""

    def append(self, appends: Sequence[ListAppend]) -> list[Mapping[bytes, int]]:
        """Append elements, and return how long the lists of each append's entities have become."""

    def mark(self, partition: int, first: int, end: int, generations: Sequence[GenerationCut]) -> bool:
        """Say on each master of a Cluster that all records up to `end` are there; False where there is a gap."""

    def marks(self, partition: int) -> list[int]:
        """Return the marks of a partition: of each master and named generation, its cut where there is none.

        Nothing where a store is lost whole or not at all. The least one is where replay begins; where the greatest one
        is behind the stamped end, the register lost what masters have, and all generations are void. They are read
        before the register then: another worker may claim and mark more between the two.
        """

    def read(self, asks: Sequence[ListsAsk]) -> tuple[RegisterState, list[list[EntityList | None]]]:
        """Return the register, then the lists of live generations, to be compacted; None: not this one now."""

    def replace(self, replacements: Sequence[ListReplacement]) -> list[bool]:
        """Replace what was read where it is unchanged, and return where it was."""

    def seed(self, generation: Generation, seeds: Sequence[ListSeed]) -> Mapping[str, int]:
        """Put heads before the records of lists that have none, and count them; return how many each master got.

        All masters are named, those that got none, too.
        """

    def make_ready(self, generation: Generation, seeded: Mapping[str, int], cuts: Mapping[int, int]) -> bool:
        """Say that masters have all heads of a generation: as many as were seeded; False where some were lost."""

    def unready(self) -> list[Generation]:
        """Return the live generations that some master is not known to have whole: a rebuild is needed."""


class StreamConnection(Protocol):
    """What a worker, a compactor or a rebuild holds of a source: connections that are never opened again.

    Not for several threads at once.
    """

    @property
    def register(self) -> StampRegister:
        """The stamps of the source."""

    @property
    def generations(self) -> GenerationRegister:
        """The generations of the lists of its views."""

    @property
    def lists(self) -> StateLists:
        """Those lists."""

    def check(self) -> None:
        """Check that all connections are what they were.

        Raises:
            ConnectionLostError: one is not.
        """

    def close(self) -> None:
        """Give the connections back."""


class StreamReader(Protocol):
    """Reads lists for whoever answers; connects again by itself."""

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, and the `asof` that was read before them."""

    def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, for the lists that it fetches afterwards."""

    def read_register(self, source: StreamSource) -> RegisterState:
        """Return what the register holds, but the stamps; nothing where nobody has written it."""

    def fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask as of an earlier poll; none of a generation that is not live any more."""

    def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep, "" of one that has none, or is not named."""

    def close(self) -> None:
        """Give back connections and files."""


OpenStreams = Callable[[], StreamReader]


class AsyncStreamReader(AsyncRowReader, Protocol):
    """What `StreamReader` does, for one event loop: many callers at once share round trips.

    It reads rows, too, over the same connections: what is asked for in one turn of the loop travels together.
    """

    async def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register."""

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask."""

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep."""


class StreamState(StreamReader, Protocol):
    """The state of streams in an online store; `heartbeat_s` is how often a worker may say that nothing came."""

    heartbeat_s: ClassVar[float]

    def connect(self, source: StreamSource) -> StreamConnection:
        """Return connections of one worker, compactor or rebuild.

        Raises:
            StoreError: the store can't be reached, is a replica, or lets rows go when it is full.
        """

    def walk_lists(self, source: StreamSource, generation: Generation) -> Iterator[Sequence[bytes]]:
        """Yield the entities that have a list of a generation, some at a time; one may come twice."""

    def drop_lists(
        self, source: StreamSource, generation: Generation, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        """Remove the lists of a generation that is neither read nor written, in bounded steps.

        What is there when `is_ending` says so between two steps is left to a sweep.
        """

    def forget(self, source: StreamSource) -> None:
        """Remove the register of a source whose generations were given up, and what says that its lists are whole.

        Whoever comes next begins with the source as if nothing of it had ever been there.
        """

    def sweeping(self, source: StreamSource, views: Sequence[str]) -> Iterator[int]:
        """Remove the lists of generations of view versions that the register does not name, a bounded piece a step.

        Yields how many were removed with each.
        """
