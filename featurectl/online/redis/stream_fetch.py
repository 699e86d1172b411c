"""Lists on their way from Redis: what is asked of each master, in one trip, and what its replies mean.

Marks are read before the lists, for what a list may lack was not marked then; what says that the generation is there is
read behind them, for lists are removed after that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import redis

from featurectl.online.redis.answers import listed, read_names, read_value
from featurectl.online.redis.connect import StoreAddress, store_error
from featurectl.online.redis.stream_keys import list_ends, mark_key, register_key
from featurectl.online.redis.stream_masters import foreign_key, is_foreign
from featurectl.online.redis.stream_register import live_of
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    ListsAnswer,
    ListsAsk,
    StreamPoll,
    StreamSource,
)

Owner = TypeVar("Owner", bound=Hashable)
_USUAL: Final = frozenset([list, bytes, type(None)])  # replies
_Lists = list[EntityList | None]


class WantedLists(NamedTuple):
    """Lists that are asked for: of an ask, at some of its places; of all of them where `are_all`."""

    ask: int
    places: Sequence[int]
    keys: Sequence[bytes]
    generation: Generation
    are_all: bool


class FetchLeg:
    """What is asked of one master by its marks, which have `tags`; a single server has none."""

    def __init__(
        self, source: StreamSource, poll: StreamPoll, tags: Sequence[bytes], wanted: Sequence[WantedLists]
    ) -> None:
        self._source = source
        self._poll = poll
        self._mark_keys = [mark_key(source, tag) for tag in tags]
        self.wanted = wanted
        self._generations = list(dict.fromkeys(each.generation for each in wanted))

    def commands(self) -> list[RedisCommand]:
        """Return the commands, which travel together in this order."""
        lists: list[RedisCommand] = [("LRANGE", key, 0, -1) for each in self.wanted for key in each.keys]
        if not self._mark_keys:
            return [*lists, ("HGET", register_key(self._source), "views")]
        marks = [f"mark/{p}/{of.name}" for of in self._generations for p in self._poll.done]
        ready = [f"ready/{of.name}" for of in self._generations]
        before: list[RedisCommand] = [("HMGET", key, *marks) for key in self._mark_keys if marks]
        behind: list[RedisCommand] = [("HMGET", key, *ready) for key in self._mark_keys]
        return [*before, *lists, *behind]

    @property
    def has_marks(self) -> bool:
        """Whether a master says which records of its lists count."""
        return bool(self._mark_keys)

    def read(self, address: StoreAddress, replies: Sequence[object]) -> list[_Lists]:
        """Return the lists that are wanted; None of one that is not whole, or whose generation went.

        Raises:
            StoreError: a reply is an error, or none of Redis.
        """
        end = len(replies) - max(len(self._mark_keys), 1)
        begin = end - sum([len(each.keys) for each in self.wanted])
        before, lists, last = replies[:begin], replies[begin:end], replies[end:]
        if not _USUAL.issuperset(map(type, replies)):
            self._check(address, lists, replies)
        try:
            marks = self._marks(before)
            ready = self._ready(last)
            found, start = list[_Lists](), 0
            for each in self.wanted:
                some, start = lists[start : start + len(each.keys)], start + len(each.keys)
                is_ready = each.generation in ready
                found.append(_read_lists(some, marks.get(each.generation)) if is_ready else [None] * len(some))
        except (redis.InvalidResponse, ValueError) as error:
            raise store_error(address, error) from error
        return found

    def _check(self, address: StoreAddress, lists: Sequence[object], replies: Sequence[object]) -> None:
        """Raise what replies say that are errors: first of a key that another program has made."""
        keys = [key for each in self.wanted for key in each.keys]
        for key, reply in zip(keys, lists, strict=True):
            if is_foreign(reply):
                raise foreign_key(address, key)
        for reply in replies:
            if isinstance(reply, Exception):
                raise store_error(address, reply)

    def _marks(self, replies: Sequence[object]) -> dict[Generation, Mapping[int, int]]:
        """Return the least mark of each partition by generation, 0 where there is none."""
        if not self._mark_keys:
            return {}
        done, count = list(self._poll.done), len(self._poll.done)
        found = [listed(reply, count * len(self._generations)) for reply in replies]
        least = [min(int(mark or 0) for mark in marks) for marks in zip(*found, strict=True)]
        return {
            of: dict(zip(done, least[at * count : (at + 1) * count], strict=True))
            for at, of in enumerate(self._generations)
        }

    def _ready(self, replies: Sequence[object]) -> set[Generation]:
        """Return the generations that are there."""
        if not self._mark_keys:
            live = live_of(read_value(replies[0]) or b"")
            return {of for of in self._generations if live.get(of.view) == of.id}
        found = [listed(reply, len(self._generations)) for reply in replies]
        return {of for of, flags in zip(self._generations, zip(*found, strict=True), strict=True) if all(flags)}


def _read_lists(replies: Sequence[object], marks: Mapping[int, int] | None) -> _Lists:
    """Return replies as lists, of which records count by the marks of their master.

    Raises:
        redis.InvalidResponse: a reply is none of Redis.
    """
    return [EntityList(read_names(reply), marks) for reply in replies]


def portions(asks: Sequence[ListsAsk], lists: int) -> list[list[ListsAsk]]:
    """Return asks in portions of some lists at most, each of which is fetched with the marks of then.

    >>> asks = [ListsAsk(view="a@1", entities=[b"1", b"2", b"3"]), ListsAsk(view="b@1", entities=[b"4"])]
    >>> [[(ask.view, len(ask.entities)) for ask in of] for of in portions(asks, 4)]
    [[('a@1', 2), ('b@1', 1)], [('a@1', 1), ('b@1', 0)]]
    """
    size = max(1, lists // max(len(asks), 1))
    longest = max([1, *(len(ask.entities) for ask in asks)])
    return [
        [ListsAsk(view=ask.view, entities=ask.entities[at : at + size]) for ask in asks]
        for at in range(0, longest, size)
    ]


def joined(portions: Sequence[Sequence[ListsAnswer]]) -> list[ListsAnswer]:
    """Return the answers of portions as those of the asks."""
    return [
        ListsAnswer(
            asof=of[0].asof,
            lists=None if of[0].lists is None else [found for each in of for found in each.lists or ()],
            generation=of[0].generation,
        )
        for of in zip(*portions, strict=True)
    ]


class FetchPlan(Generic[Owner]):
    """The legs of a fetch of live generations' lists, by the master that has them."""

    def __init__(
        self,
        source: StreamSource,
        poll: StreamPoll,
        asks: Sequence[ListsAsk],
        masters: tuple[Callable[[bytes], Owner], Callable[[Owner], Sequence[bytes]]],
    ) -> None:
        owner, tags_of = masters
        self._poll = poll
        self._views = [ask.view for ask in asks]
        self._lists: list[_Lists | None] = [None] * len(asks)
        wanted: dict[Owner, list[WantedLists]] = {}
        for number, ask in enumerate(asks):
            if (live := poll.live.get(ask.view)) is not None:
                generation = Generation(view=ask.view, id=live)
                before, after = list_ends(source, generation)
                keys = [before + entity + after for entity in ask.entities]
                self._lists[number] = [None] * len(keys)
                for of, places in _by_owner([*map(owner, keys)]).items():
                    are_all = len(places) == len(keys)
                    some = keys if are_all else [keys[place] for place in places]
                    wanted.setdefault(of, []).append(WantedLists(number, places, some, generation, are_all))
        self.legs = {of: FetchLeg(source, poll, tags_of(of), lists) for of, lists in wanted.items()}

    def settle(self, leg: FetchLeg, lists: Sequence[_Lists]) -> None:
        """Keep the lists of a leg; those of a master that lost what the register has as done are not whole."""
        for each, some in zip(leg.wanted, lists, strict=True):
            found = [*map(self._whole, some)] if leg.has_marks else some
            of = self._lists[each.ask]
            if each.are_all:
                self._lists[each.ask] = found
            elif of is not None:
                for place, one in zip(each.places, found, strict=True):
                    of[place] = one

    def answers(self, asof: int | None = None) -> list[ListsAnswer]:
        """Return the lists of each ask, as of the poll, or as of an instant that was read before them."""
        at = self._poll.asof if asof is None else asof
        lives = [self._poll.live.get(view) for view in self._views]
        return [
            ListsAnswer(asof=at, lists=lists, generation=live) for lists, live in zip(self._lists, lives, strict=True)
        ]

    @property
    def has_gone(self) -> bool:
        """Whether a list of a live generation was not whole: it may not be live any more."""
        return any(None in lists for lists in self._lists if lists is not None)

    def _whole(self, found: EntityList | None) -> EntityList | None:
        marks = None if found is None else found.marks
        return None if marks is not None and any(marks[p] < done for p, done in self._poll.done.items()) else found


def _by_owner(owners: Sequence[Owner]) -> Mapping[Owner, Sequence[int]]:
    """Return the places of each owner."""
    if len({*owners}) == 1:
        return {owners[0]: range(len(owners))}
    found: dict[Owner, list[int]] = {}
    for place, owner in enumerate(owners):
        found.setdefault(owner, []).append(place)
    return found
