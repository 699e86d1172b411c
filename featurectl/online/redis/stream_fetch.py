"""Lists on their way from Redis: what is asked of each master, in one trip, and what its replies mean.

Marks are read before the lists, for what a list may lack was not marked then; what says that the generation is there is
read behind them, for lists are removed after that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar, cast

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
from featurectl.online.stream_state.received_lists import ReceivedList

Owner = TypeVar("Owner", bound=Hashable)
_USUAL: Final = frozenset([list, bytes, type(None), ReceivedList])  # replies


_found = cast("Callable[[tuple[object, ...]], EntityList]", partial(tuple.__new__, EntityList))


class WantedList(NamedTuple):
    """A list that is asked for: of an ask, at a place."""

    ask: int
    place: int
    key: bytes
    generation: Generation


_wanted = cast("Callable[[tuple[object, ...]], WantedList]", partial(tuple.__new__, WantedList))


class FetchLeg:
    """What is asked of one master by its marks, which have `tags`; a single server has none."""

    def __init__(
        self, source: StreamSource, poll: StreamPoll, tags: Sequence[bytes], wanted: Sequence[WantedList]
    ) -> None:
        self._source = source
        self._poll = poll
        self._mark_keys = [mark_key(source, tag) for tag in tags]
        self.wanted = wanted
        of_asks = {each.ask: each.generation for each in wanted}
        self._generations = list(dict.fromkeys(of_asks.values()))
        self._of_asks = of_asks

    def commands(self) -> list[RedisCommand]:
        """Return the commands, which travel together in this order."""
        lists: list[RedisCommand] = [("LRANGE", each.key, 0, -1) for each in self.wanted]
        if not self._mark_keys:
            return [*lists, ("HGET", register_key(self._source), "views")]
        marks = [f"mark/{p}/{of.name}" for of in self._generations for p in self._poll.done]
        ready = [f"ready/{of.name}" for of in self._generations]
        before: list[RedisCommand] = [("HMGET", key, *marks) for key in self._mark_keys if marks]
        behind: list[RedisCommand] = [("HMGET", key, *ready) for key in self._mark_keys]
        return [*before, *lists, *behind]

    def read(self, address: StoreAddress, replies: Sequence[object]) -> list[EntityList | None]:
        """Return the lists; None of one that is not whole, or whose generation went.

        Raises:
            StoreError: a reply is an error, or none of Redis.
        """
        end = len(replies) - max(len(self._mark_keys), 1)
        begin = end - len(self.wanted)
        before, lists, last = replies[:begin], replies[begin:end], replies[end:]
        if not _USUAL.issuperset(map(type, replies)):
            self._check(address, lists, replies)
        try:
            marks = self._marks(before)
            ready = self._ready(last)
            known = {ask: marks.get(of) for ask, of in self._of_asks.items() if of in ready}
            return [
                _found((reply if type(reply) is ReceivedList else read_names(reply), known[each.ask]))
                if each.ask in known
                else None
                for each, reply in zip(self.wanted, lists, strict=True)
            ]
        except (redis.InvalidResponse, ValueError) as error:
            raise store_error(address, error) from error

    def _check(self, address: StoreAddress, lists: Sequence[object], replies: Sequence[object]) -> None:
        """Raise what replies say that are errors: first of a key that another program has made."""
        for each, reply in zip(self.wanted, lists, strict=True):
            if is_foreign(reply):
                raise foreign_key(address, each.key)
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
        self._lists: list[list[EntityList | None] | None] = []
        wanted: dict[Owner, list[WantedList]] = {}
        for number, ask in enumerate(asks):
            live = poll.live.get(ask.view)
            self._lists.append(None if live is None else [None] * len(ask.entities))
            if live is not None:
                generation = Generation(view=ask.view, id=live)
                before, after = list_ends(source, generation)
                lists = [
                    _wanted((number, place, before + entity + after, generation))
                    for place, entity in enumerate(ask.entities)
                ]
                owners = [owner(each.key) for each in lists]
                if len({*owners}) == 1:
                    wanted.setdefault(owners[0], []).extend(lists)
                    continue
                for of, each in zip(owners, lists, strict=True):
                    wanted.setdefault(of, []).append(each)
        self.legs = {of: FetchLeg(source, poll, tags_of(of), lists) for of, lists in wanted.items()}

    def settle(self, leg: FetchLeg, lists: Sequence[EntityList | None]) -> None:
        """Keep the lists of a leg; those of a master that lost what the register has as done are not whole."""
        for each, found in zip(leg.wanted, lists, strict=True):
            of = self._lists[each.ask]
            if of is not None:
                of[each.place] = found if found is not None and self._is_whole(found) else None

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
        return any(found is None for lists in self._lists if lists is not None for found in lists)

    def _is_whole(self, found: EntityList) -> bool:
        return found.marks is None or all(found.marks[p] >= done for p, done in self._poll.done.items())
