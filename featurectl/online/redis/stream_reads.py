"""How lists are read from one server, as steps: what is sent, and what is made of the replies."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from featurectl.online.redis.connect import StoreAddress
from featurectl.online.redis.stream_fetch import FetchPlan
from featurectl.online.redis.stream_register import parsed, poll_command, read_poll
from featurectl.online.redis.trips import COMMANDS_A_TRIP, RedisCommand
from featurectl.online.stream_state.base import ListsAnswer, ListsAsk, StreamPoll, StreamSource

TRIES: Final = 5

Steps = Generator[Sequence[RedisCommand], Sequence[object], list[ListsAnswer]]


class SingleReads:
    """Reads from one server, and what was live when they were made last."""

    def __init__(self, address: StoreAddress) -> None:
        self._address = address
        self._polls: dict[StreamSource, StreamPoll] = {}

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> Steps:
        """Yield the trips of a read: in each `asof` is read before the lists of what was live before.

        A generation that is not live any more, by the reply or by what is read behind the lists, is asked for anew.
        """
        for _ in range(TRIES):
            before = self._polls.get(source)
            if before is None:
                before = self.take_poll(source, (yield [poll_command(source)]))
            plan = FetchPlan(source, before, asks, (_one_master, _no_tags))
            replies = yield from _sent([poll_command(source), *commands_of(plan)])
            now = self.take_poll(source, replies)
            if any(now.live.get(ask.view) != before.live.get(ask.view) for ask in asks):
                continue
            self._settle(plan, replies[1:])
            if not plan.has_gone:
                return plan.answers(now.asof)
        poll = self.take_poll(source, (yield [poll_command(source)]))
        return (yield from self.fetch(source, poll, asks))

    def fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> Steps:
        """Yield the trip of the lists as of an earlier poll; none of a generation that is not live any more."""
        plan = FetchPlan(source, poll, asks, (_one_master, _no_tags))
        self._settle(plan, (yield from _sent(commands_of(plan))))
        return plan.answers()

    def take_poll(self, source: StreamSource, replies: Sequence[object]) -> StreamPoll:
        """Return what the reply to the command of a poll says; it is known from then on."""
        poll = self._polls[source] = parsed(self._address, read_poll, replies[0])
        return poll

    def _settle(self, plan: FetchPlan[int], replies: Sequence[object]) -> None:
        for leg in plan.legs.values():
            plan.settle(leg, leg.read(self._address, replies))


def driven(steps: Steps, send: Callable[[Sequence[RedisCommand]], Sequence[object]]) -> list[ListsAnswer]:
    """Return what steps come to whose trips are made one after the other."""
    try:
        commands = next(steps)
        while True:
            commands = steps.send(send(commands))
    except StopIteration as ended:
        return list(ended.value)


def commands_of(plan: FetchPlan[Any]) -> list[RedisCommand]:
    """Return the commands of all legs, one after the other."""
    return [command for leg in plan.legs.values() for command in leg.commands()]


def _sent(commands: Sequence[RedisCommand]) -> Generator[Sequence[RedisCommand], Sequence[object], Sequence[object]]:
    """Yield trips of some thousand commands, one after the other, and return all replies."""
    if len(commands) <= COMMANDS_A_TRIP:
        return (yield commands)
    replies: list[object] = []
    for start in range(0, len(commands), COMMANDS_A_TRIP):
        replies += yield commands[start : start + COMMANDS_A_TRIP]
    return replies


def _one_master(_: bytes) -> int:
    return 0


def _no_tags(_: int) -> Sequence[bytes]:
    return ()
