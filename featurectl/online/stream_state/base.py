"""What the state of a stream is made of: stamps, partitions, generations, lists.

Instants are Unix time in microseconds. Offsets and instants are below 2**53, so that what the scripts of a store
compute with them is exact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Final, NamedTuple

from featurectl.core.errors import StoreError

MOST: Final = 2**53 - 1
MOST_PARTITIONS: Final = 2**16
RETIRED: Final = MOST  # `applied` of a partition of which nothing comes any more
HEAD_BIT: Final = 0x80  # of the first byte of an element: a head has it, a record has not


class ConnectionLostError(StoreError):
    """A connection to the state of a stream is not what it was: all that was begun on it is to be begun anew.

    The store may have lost what it had replied to, as one does that comes back from an older snapshot.
    """


class StreamSource(NamedTuple):
    """A source that is a stream, in one environment: it has one register."""

    project: str
    env: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRange:
    """Offsets of a partition, from `first` to before `end`, that became available at one instant, `stamp`."""

    first: int
    end: int
    stamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStamps:
    """What a worker knows of offsets that the register may have lost: their stamps in the log, and in its memory.

    Ranges of each are in the order of their offsets and don't overlap; those behind a batch count, too, as a lost
    stamp comes back whole.
    """

    logged: Sequence[StampRange] = ()
    own: Sequence[StampRange] = ()


class Generation(NamedTuple):
    """One generation of the lists of a view version: `view` is `<view>@<version>`, `id` is random and unique."""

    view: str
    id: str

    def check(self) -> None:
        """Check that a register can hold its name.

        Raises:
            ValueError: the id has other characters than letters and digits, or the view has a space.
        """
        if not (self.id.isascii() and self.id.isalnum()) or len(self.view.split()) != 1:
            raise ValueError(f"{self.name!r} is no name of a generation")

    @property
    def name(self) -> str:
        """Return how it is called in keys.

        >>> Generation(view="spend@1", id="5f2c").name
        'spend@1#5f2c'
        """
        return f"{self.view}#{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationCut:
    """A generation that is to be written, and the first offset of a partition that it has as a record.

    Those before the cut are in heads.
    """

    generation: Generation
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StampClaim:
    """The stamps of a batch's offsets in their order, and the generations to write. `last`: the greatest stamp given.

    A batch without generations is written nowhere: all were given up, until a rebuild.
    """

    stamps: Sequence[StampRange]
    generations: Sequence[GenerationCut]
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingPosition:
    """How far a worker has read a partition; `at_end`: the broker has nothing more."""

    partition: int
    position: int
    at_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPartition:
    """What the register knows of a partition.

    Args:
        name: With its incarnation, as in `swipes/0#1`.
        number: What records are marked with.
        first: The offset at which the partition began.
        kept: The first offset whose stamp the register has; those before it are logged.
        done: The first offset that may be missing in the lists.
        end: The first offset without a stamp.
        applied: The instant up to which all is in the lists; `RETIRED` where nothing comes any more.
    """

    name: str
    number: int
    first: int
    kept: int
    done: int
    end: int
    applied: int

    @property
    def is_retired(self) -> bool:
        """Whether its topic was made again: it is neither claimed nor waited for."""
        return self.applied == RETIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredPartition:
    """A partition of which nothing comes any more: what is logged ends before `end`, `stamp` is its last.

    `taken` is the end that the register had of it when it was looked at; None: whatever that was.
    """

    name: str
    end: int
    stamp: int
    taken: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRetirement:
    """What a register was when partitions were retired: its `asof` and greatest stamp before.

    `lost_from` is the least stamp of offsets that are not in the log, None where there are none. `gave_up`: lists had
    other events than the log, so that all generations were given up.
    """

    asof: int
    last: int
    lost_from: int | None
    gave_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewGenerations:
    """The generations of a view version: all that are written, and the one that is read, None where none can be."""

    view: str
    live: str | None
    named: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterState:
    """The register of a source, as of one moment.

    Args:
        partitions: By their numbers.
        asof: The instant up to which all partitions are applied; 0 where there are none.
        last: The greatest stamp ever given.
        views: By the names of the view versions.
        run: What tells the server that runs now from one that was started anew, or a file from one in its place.
        left: `asof` when that run was met first: what a loss before it left.
        clock_us: What the store's clock said.
    """

    partitions: Sequence[StreamPartition]
    asof: int
    last: int
    views: Mapping[str, ViewGenerations]
    run: str
    left: int
    clock_us: int

    def live(self, view: str) -> Generation | None:
        """Return the generation of a view version that is read, None where none can be."""
        found = self.views.get(view)
        return None if found is None or found.live is None else Generation(view=view, id=found.live)

    def named(self) -> list[Generation]:
        """Return all generations that are written."""
        return [Generation(view=of.view, id=name) for of in self.views.values() for name in of.named]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPoll:
    """What a reader knows of a register: `live` are the ids of live generations by view, `done` is by partition.

    `being_made` are the views with a generation that is written and not read yet, be another one read or not.
    """

    asof: int
    live: Mapping[str, str]
    done: Mapping[int, int]
    being_made: Collection[str] = frozenset()


def poll_of(state: RegisterState) -> StreamPoll:
    """Return what a reader has to know of a register."""
    live = {name: of.live for name, of in state.views.items() if of.live is not None}
    done = {of.number: of.done for of in state.partitions}
    return StreamPoll(asof=state.asof, live=live, done=done, being_made=views_being_made(state.views))


def views_being_made(views: Mapping[str, ViewGenerations]) -> frozenset[str]:
    """Return of which views lists are written that are not read yet.

    >>> sorted(views_being_made({"a@1": ViewGenerations(view="a@1", live="a1", named=["a1", "b2"])}))
    ['a@1']
    """
    return frozenset(name for name, of in views.items() if any(each != of.live for each in of.named))


@dataclass(frozen=True, slots=True, kw_only=True)
class StampGap:
    """Answers as of instants after `after`, up to `until`, may have had stamps that were lost."""

    after: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGeneration:
    """A generation that was added: the end of each partition, by its number, and `asof` at that moment."""

    cuts: Mapping[int, int]
    asof: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAppend:
    """Elements to append to the lists of a generation: the element at each place goes to the entity at that place."""

    generation: Generation
    entities: Sequence[bytes]
    elements: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReplacement:
    """What compaction writes in the place of the elements that it read, if they are still the first of a list.

    Args:
        generation: Of the list.
        entity: Whose list it is.
        read: How many elements were read.
        digest: `digest_of` them.
        head: The new head; `left` follow it.
        left: Elements that were read and are not folded.
        alone: The head where no element is left or stands behind; None: the list is removed then.
    """

    generation: Generation
    entity: bytes
    read: int
    digest: str
    head: bytes
    left: Sequence[bytes]
    alone: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSeed:
    """The head of a list of a new generation."""

    entity: bytes
    head: bytes


class ListsAsk(NamedTuple):
    """The lists wanted of a view version."""

    view: str
    entities: Sequence[bytes]


class EntityList(NamedTuple):
    """The elements of a list; a list that is not there has none.

    `marks` are by the number of the partition: records of offsets at or behind them don't count, as their batch may
    have been lost. None: all count.
    """

    elements: Sequence[bytes]
    marks: Mapping[int, int] | None


NO_LIST: Final = EntityList(elements=(), marks=None)


class ListsAnswer(NamedTuple):
    """Lists of a view version, by the places of the ask, and the `asof` that was read before them.

    `lists` are None where the view version has no generation that can be read, and one of them where the master that
    has it lost records, or has not all heads. `generation` is the id of the one that they are of.
    """

    asof: int
    lists: Sequence[EntityList | None] | None
    generation: str | None = None


def check_exact(*offsets: int) -> None:
    """Check that a register can compute with offsets.

    Raises:
        StoreError: one is negative, or 2**53 or more.
    """
    for offset in offsets:
        if not 0 <= offset <= MOST:
            raise StoreError(f"an offset of a stream must be below 2^53, and one is {offset}", code="FC602")


def digest_of(elements: Sequence[bytes]) -> str:
    """Return the SHA-1 of some elements, each with its length before it, as the scripts compute it.

    >>> digest_of([b"ab", b""]) == sha1(b"2:ab0:").hexdigest()
    True
    """
    joined = b"".join([b"%d:%b" % (len(element), element) for element in elements])
    return sha1(joined, usedforsecurity=False).hexdigest()


def is_head(element: bytes) -> bool:
    """Return whether an element is a head; else it is a record.

    >>> is_head(bytes([0x81])), is_head(bytes([0x01])), is_head(b"")
    (True, False, False)
    """
    return bool(element) and element[0] >= HEAD_BIT
