"""The register of a source in Redis or Valkey: each method is one script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

import redis

from featurectl.core.errors import StoreError
from featurectl.online.redis import stream_generation_scripts as generation_scripts
from featurectl.online.redis import stream_scripts as scripts
from featurectl.online.redis.answers import listed, read_value
from featurectl.online.redis.connect import StoreAddress, store_error
from featurectl.online.redis.stream_keys import register_key
from featurectl.online.redis.stream_masters import PinnedMasters
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.base import (
    MOST_PARTITIONS,
    RETIRED,
    Generation,
    GenerationCut,
    KnownStamps,
    NewGeneration,
    PartitionRetirement,
    ReadingPosition,
    RegisterState,
    RetiredPartition,
    StampClaim,
    StampRange,
    StreamPartition,
    StreamPoll,
    StreamSource,
    ViewGenerations,
    check_exact,
    views_being_made,
)
from featurectl.online.stream_state.stamping import relevant

T = TypeVar("T")

POLLED: Final = ("asof", "views")  # fields: what a reader of a single server has to know


class RedisStampRegister:
    """A `StampRegister` in a hash."""

    def __init__(self, masters: PinnedMasters, source: StreamSource) -> None:
        self._masters = masters
        self._key = register_key(source)

    def add_partition(self, name: str, first: int = 0) -> int:
        """Return the number of a partition, which begins at an offset and at `asof` where it was not known."""
        check_exact(first)
        number = self._run(_number, scripts.ADD_PARTITION, name, first, MOST_PARTITIONS)
        if number < 0:
            raise StoreError(f"the stream has had more than {MOST_PARTITIONS:,} partitions", code="FC602")
        return number

    def claim(self, partition: int, first: int, end: int, known: KnownStamps) -> StampClaim | None:
        """Stamp the offsets of a batch that have no stamp; None: the worker begins anew."""
        check_exact(first, end)
        known = relevant(known, first)
        stamps = [number for of in (*known.logged, *known.own) for number in (of.first, of.end, of.stamp)]
        before = (partition, first, end, self._masters.now(), len(known.logged))
        return self._run(_claim, scripts.CLAIM, *before, *stamps)

    def begin_stamps(self, least: int | None = None) -> int:
        """Return an instant before which no stamp is that is kept or will be given: as late a one as there is."""
        return self._run(_number, scripts.BEGIN_STAMPS, self._masters.now() if least is None else least)

    def finish(self, partition: int, first: int, end: int, written: Sequence[Generation]) -> bool:
        """Say that offsets are in the lists of some generations; False: the worker begins anew."""
        names = [generation.name for generation in written]
        return self._run(_number, scripts.FINISH, partition, first, end, *names) == 1

    def heartbeat(self, positions: Sequence[ReadingPosition]) -> list[bool]:
        """Promise that nothing came up to now in some partitions; False of one: the worker begins anew with it."""
        triples = [value for of in positions for value in (of.partition, of.position, int(of.at_end))]
        return [answer == 1 for answer in self._run(_numbers, scripts.HEARTBEAT, self._masters.now(), *triples)]

    def retire(self, partitions: Sequence[RetiredPartition], until: int = RETIRED) -> PartitionRetirement | None:
        """Have nothing come of some partitions any more, nor wait for them; None where more came than was looked at."""
        words = [
            value
            for of in partitions
            for value in (of.name, of.end, of.stamp, "" if of.taken is None else of.taken)
        ]  # fmt: skip
        found = self._run(_numbers, scripts.RETIRE, until, *words)
        if not found:
            return None
        asof, last, gave_up, lost = found
        return PartitionRetirement(
            asof=asof, last=last, lost_from=None if lost == RETIRED else lost, gave_up=gave_up == 1
        )

    def forget(self, partition: int, below: int) -> None:
        """Let go the stamps of ranges that end at or before a logged offset and are done."""
        self._run(_number, scripts.FORGET, partition, below)

    def read_state(self) -> RegisterState:
        """Return what the register holds, but the stamps."""
        return self._run(state_of, scripts.STATE, self._masters.now())

    def read_stamps(self, partition: int, first: int, end: int) -> list[StampRange]:
        """Return the stamps that are kept of some offsets, in their order."""
        return _ranges(self._run(_numbers, scripts.STAMPS, partition, first, end))

    def _run(self, read: Callable[[Any], T], script: str, *arguments: bytes | str | int) -> T:
        return parsed(self._masters.address, read, self._masters.run_pinned(script, self._key, *arguments))


class RedisGenerations:
    """A `GenerationRegister` in the same hash."""

    def __init__(self, masters: PinnedMasters, source: StreamSource) -> None:
        self._masters = masters
        self._key = register_key(source)

    def add(self, generation: Generation, layout: str = "") -> NewGeneration:
        """Name a generation to be written from now on, in the place of one of its view that was never read."""
        generation.check()
        asof, *pairs = self._run(_numbers, generation_scripts.ADD_GENERATION, generation.view, generation.id, layout)
        return NewGeneration(cuts=dict(zip(pairs[::2], pairs[1::2], strict=True)), asof=asof)

    def switch(self, generation: Generation) -> bool:
        """Have a generation read and written alone; False where it is not named, or not all before its cut is done."""
        return self._run(_number, generation_scripts.SWITCH_GENERATION, generation.view, generation.id) == 1

    def drop(self, generation: Generation) -> None:
        """Neither write nor read a generation any more."""
        self._run(_number, generation_scripts.DROP_GENERATION, generation.view, generation.id)

    def drop_unread(self, generation: Generation) -> bool:
        """Write a generation no more, unless it is read; return whether it is neither written nor read now."""
        return self._run(_number, generation_scripts.DROP_GENERATION, generation.view, generation.id, "unread") == 1

    def void(self) -> None:
        """Give up all generations."""
        self._run(_number, generation_scripts.VOID)

    def cuts(self, partition: int) -> list[GenerationCut]:
        """Return the named generations, with their cuts in a partition."""
        return self._run(lambda reply: _cuts(*reply), generation_scripts.CUTS, partition)

    def _run(self, read: Callable[[Any], T], script: str, *arguments: bytes | str | int) -> T:
        return parsed(self._masters.address, read, self._masters.run_pinned(script, self._key, *arguments))


def parsed(address: StoreAddress, read: Callable[[Any], T], reply: object) -> T:
    """Return what a reply means.

    Raises:
        StoreError: it is an error, or the hash holds what is none of ours.
    """
    if isinstance(reply, Exception):
        raise store_error(address, reply)
    try:
        return read(reply)
    except redis.InvalidResponse as error:
        raise store_error(address, error) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise StoreError(
            f"the register of a stream in the online store {address.shown} is broken",
            code="FC602",
            hint="another program has written it: delete the key PROJECT/ENVIRONMENT/r:{SOURCE} and rebuild",
        ) from error


def views_of(text: bytes) -> dict[str, ViewGenerations]:
    """Return the generations by view that the text of the register holds.

    >>> views_of(b"spend@1 a1 a1 b2")["spend@1"].named
    ['a1', 'b2']
    """
    found = {}
    for line in sorted(text.decode().splitlines()):
        view, live, *named = line.split(" ")
        found[view] = ViewGenerations(view=view, live=None if live == "-" else live, named=named)
    return found


@lru_cache(maxsize=256)
def live_of(text: bytes) -> Mapping[str, str]:
    """Return the ids of the live generations by view, of that text, which changes seldom and is read by each request.

    Raises:
        ValueError: it is none of ours.
    """
    return MappingProxyType({name: of.live for name, of in views_of(text).items() if of.live is not None})


@lru_cache(maxsize=256)
def being_made_of(text: bytes) -> frozenset[str]:
    """Return the views of which lists are written that are not read yet, of that text."""
    return views_being_made(views_of(text))


def state_of(reply: list[bytes]) -> RegisterState:
    """Return the register that the script STATE found."""
    last, asof, run, left, views, clock, *rows = reply
    partitions = [_partition(number, *rows[at : at + 3]) for number, at in enumerate(range(0, len(rows), 3))]
    return RegisterState(
        partitions=partitions,
        asof=int(asof),
        last=int(last),
        views=views_of(views),
        run=run.decode(),
        left=int(left),
        clock_us=int(clock),
    )


def poll_command(source: StreamSource) -> tuple[bytes | str, ...]:
    """Return the command that asks a single server what a reader has to know of a register."""
    return ("HMGET", register_key(source), *POLLED)


def layout_command(source: StreamSource, generation: Generation) -> RedisCommand:
    """Return the command that asks for the document of a generation's layout."""
    return ("HGET", register_key(source), f"layout/{generation.name}")


def read_layout(reply: object) -> str:
    """Return the document of the reply to that command; "" where there is none.

    Raises:
        redis.InvalidResponse: it is none of Redis.
    """
    return (read_value(reply) or b"").decode()


def read_poll(reply: object) -> StreamPoll:
    """Return what the reply to that command says.

    Raises:
        redis.InvalidResponse: it is none of Redis.
        ValueError: the hash holds what is none of ours.
    """
    asof, views = listed(reply, 2)
    text = views or b""
    return StreamPoll(asof=int(asof or 0), live=live_of(text), done={}, being_made=being_made_of(text))


def _partition(number: int, name: bytes, row: bytes, applied: bytes) -> StreamPartition:
    first, kept, _, done, end, _, _ = map(int, row.split())
    return StreamPartition(
        name=name.decode(), number=number, first=first, kept=kept, done=done, end=end, applied=int(applied)
    )


def _claim(reply: Any) -> StampClaim | None:
    if reply == 0:
        return None
    last, views, cuts, stamps = reply
    return StampClaim(stamps=_ranges(_numbers(stamps)), generations=_cuts(views, cuts), last=_number(last))


def _cuts(views: bytes, cuts: list[int]) -> list[GenerationCut]:
    """Return the generations that a text names, with their cuts, which are in the order of its lines."""
    named = []
    for line in views.decode().splitlines():
        view, _, *names = line.split(" ")
        named += [Generation(view=view, id=name) for name in names]
    found = [GenerationCut(generation=of, cut=cut) for of, cut in zip(named, _numbers(cuts), strict=True)]
    return sorted(found, key=lambda each: each.generation.view)


def _ranges(triples: list[int]) -> list[StampRange]:
    each = zip(triples[::3], triples[1::3], triples[2::3], strict=True)
    return [StampRange(first=first, end=end, stamp=stamp) for first, end, stamp in each]


def _number(reply: Any) -> int:
    if type(reply) is not int:
        raise TypeError("no number")
    return reply


def _numbers(reply: Any) -> list[int]:
    return [_number(each) for each in reply]
