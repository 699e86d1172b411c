"""Round trips that all callers of one event loop share: what is asked for in a turn of the loop travels together."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

Question = TypeVar("Question")
Reply = TypeVar("Reply")
QUESTIONS_A_TRIP: Final = 5_000
_CANCEL_S: Final = 0.05

_Load = tuple[Sequence[Question], asyncio.Future[Sequence[Reply]]]


class SharedTrips(ABC, Generic[Question, Reply]):
    """Sends questions of many callers to one server. Nobody waits longer than `budget_s`, whatever the server does.

    At most `at_once` trips are under way; what comes meanwhile shares the next one.
    """

    def __init__(self, budget_s: float, at_once: int = 4) -> None:
        self._budget_s = budget_s
        self._at_once = at_once
        self._waiting: list[_Load[Question, Reply]] = []
        self._trips: dict[asyncio.Task[None], list[_Load[Question, Reply]]] = {}
        self._called = False
        self._closed = False

    @abstractmethod
    async def exchange(self, questions: list[Question]) -> Sequence[Reply]:
        """Return the replies of a trip, one for each question."""

    @abstractmethod
    def late(self) -> Exception:
        """Return the error of who has waited for so long."""

    @abstractmethod
    def closed(self) -> Exception:
        """Return the error of who waits when this is closed, or asks afterwards."""

    @abstractmethod
    async def close_connections(self) -> None:
        """Close what trips go over."""

    async def send(self, questions: Sequence[Question], until_s: float | None = None) -> Sequence[Reply]:
        """Return the replies to some questions, errors among them, by `until_s` of the loop's clock at the latest.

        Raises:
            Exception: there are no replies, as `exchange`, `late` and `closed` say.
        """
        if not questions:
            return []
        due_s = asyncio.get_running_loop().time() + self._budget_s
        starts = range(0, len(questions), QUESTIONS_A_TRIP)
        parts = [self._enqueue(questions[start : start + QUESTIONS_A_TRIP]) for start in starts]
        try:
            async with asyncio.timeout_at(due_s if until_s is None else min(until_s, due_s)):
                return [reply for part in parts for reply in await part]
        except TimeoutError:
            raise self.late() from None
        finally:
            _forget(parts)

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        self._closed = True
        while self._trips:  # Python 3.11 may lose a cancellation that meets the end of a `wait_for`
            for trip in self._trips:
                trip.cancel()
            await asyncio.wait(self._trips, timeout=_CANCEL_S)
        load, self._waiting = self._waiting, []
        _fail(load, self.closed())
        await self.close_connections()

    def _enqueue(self, questions: Sequence[Question]) -> asyncio.Future[Sequence[Reply]]:
        if self._closed:
            raise self.closed()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Reply]] = loop.create_future()
        self._waiting.append((questions, future))
        if not self._called:
            self._called = True
            loop.call_soon(self._depart)
        return future

    def _depart(self) -> None:
        """Start trips with all that waits, as far as enough are not under way: each starts more when it comes back."""
        self._called = False
        if self._closed:
            return
        self._waiting = [(questions, future) for questions, future in self._waiting if not future.done()]
        while self._waiting and len(self._trips) < self._at_once:
            load = self._next_load()
            task = asyncio.get_running_loop().create_task(self._trip(load))
            self._trips[task] = load
            task.add_done_callback(self._returned)

    def _next_load(self) -> list[_Load[Question, Reply]]:
        """Return what travels next, and let it wait no more."""
        taken, size = 1, len(self._waiting[0][0])
        while taken < len(self._waiting) and size + len(self._waiting[taken][0]) <= QUESTIONS_A_TRIP:
            size += len(self._waiting[taken][0])
            taken += 1
        load, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return load

    def _returned(self, task: asyncio.Task[None]) -> None:
        _fail(self._trips.pop(task), self.closed())  # a trip that was cancelled has not answered its callers
        self._depart()

    async def _trip(self, load: list[_Load[Question, Reply]]) -> None:
        try:
            async with asyncio.timeout(self._budget_s):
                replies = await self.exchange([question for questions, _ in load for question in questions])
        except TimeoutError:
            _fail(load, self.late())
        except Exception as error:  # noqa: BLE001 - it is raised where the replies are waited for
            _fail(load, error)
        else:
            _share(load, replies)


def _forget(parts: list[asyncio.Future[Sequence[Reply]]]) -> None:
    """Wait no more for what is left, be it replies or errors."""
    for part in parts:
        if not part.cancel() and not part.cancelled():
            part.exception()


def _share(load: list[_Load[Question, Reply]], replies: Sequence[Reply]) -> None:
    """Give every caller its replies; those that have left meanwhile get none."""
    start = 0
    for questions, future in load:
        if not future.done():
            future.set_result(replies[start : start + len(questions)])
        start += len(questions)


def _fail(load: list[_Load[Question, Reply]], error: Exception) -> None:
    for _, future in load:
        if not future.done():
            future.set_exception(error)
