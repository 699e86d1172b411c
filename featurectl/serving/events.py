"""Events in requests: checked as workers check them, given to the broker by threads, waited for in time.

A broker that hangs holds a thread of its source and nothing else: requests wait in their order, at most so many, and
one whose time is over before its turn is withdrawn, so that nothing of it is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from featurectl.core.errors import FeaturectlError
from featurectl.online.request_keys import RequestKey
from featurectl.registry.state import State
from featurectl.serving.http.problems import Refused, refusal
from featurectl.serving.http.requests import give_way
from featurectl.serving.metrics import Metrics
from featurectl.serving.settings import ServeSettings
from featurectl.streaming.intake.delivery import DeliveredEvents, EventRequest, KeyBusyError, KeyReusedError
from featurectl.streaming.intake.event_intake import EventIntake, OpenSource
from featurectl.streaming.intake.late_answer import late_answer
from featurectl.streaming.intake.offered_events import EventMisfit, misfit_sentence
from featurectl.streaming.topics.base import Record
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.workspace.workspace import Workspace

T = TypeVar("T")
_AT_ONCE: Final = 200  # events that are checked without giving way
_MOST_SHOWN: Final = 20  # events that don't fit


class EventRequests:
    """Takes the events of the requests of a process."""

    def __init__(
        self,
        workspace: Workspace,
        settings: ServeSettings,
        metrics: Metrics | None,
        on_fault: Callable[[BaseException], None],
    ) -> None:
        """Take events; `metrics` None: nothing is counted.

        Raises:
            UsageError: the environment has a fixed clock.
        """
        self._intake = EventIntake(workspace, settings.event_timeout_s, on_fault)
        self._settings = settings
        self._counts = metrics.event_counts() if metrics is not None else None
        self._under_way = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Have one of the places of requests that are under way.

        Raises:
            Refused: 503, all are taken.
        """
        most = self._settings.max_event_requests
        if self._under_way >= most:
            raise Refused(503, f"{most:,} requests with events are under way already; none of these was sent")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def source(self, state: State, name: str) -> OpenSource:
        """Return a source that takes events.

        Raises:
            Refused: 404 there is none that does, 503 its topic can't be opened.
        """
        try:
            return self._intake.source(state, name)
        except FeaturectlError as error:
            raise refusal(error) from error

    async def check(self, source: OpenSource, values: Sequence[bytes]) -> list[Record]:
        """Return messages of some events.

        Raises:
            Refused: 422, workers would reject one.
        """
        records: list[Record] = []
        misfits: list[EventMisfit] = []
        for first in range(0, len(values), _AT_ONCE):
            if first:
                await give_way()
            found = source.events.check(values[first : first + _AT_ONCE], time.time_ns() // 1_000, first)
            records += found.records
            misfits += found.misfits
        if not misfits:
            return records
        for kind, number in Counter(misfit.kind for misfit in misfits).items():
            self._count_refused(source, kind, number)
        raise _no_fit(source.name, len(values), misfits)

    async def send(
        self, source: OpenSource, records: Sequence[Record], key: RequestKey | None, begin_s: float
    ) -> DeliveredEvents:
        """Return what was sent, once the broker has all of it; `begin_s` is when the request began.

        Raises:
            Refused: 503 the broker or the store of keys does not take them in time, 409 and 422 by the key.
        """
        request = EventRequest(records=records, key=key, size=sum(len(value) for _, value in records))
        try:
            future = source.submit(request)
            delivered = await self._result(future, begin_s)
        except FeaturectlError as error:
            refused, reason = _failure(error)
            self._count_refused(source, reason, len(records))
            raise refused from error
        except TimeoutError as error:
            self._count_refused(source, "late", len(records))
            late = late_answer(self._settings.event_timeout_s, withdrawn=future.cancelled(), has_key=key is not None)
            raise Refused(503, late.message, hint=late.hint) from error
        if self._counts is not None:
            result = "repeated" if delivered.repeated else "taken"
            self._counts[0].labels(source.name, result).inc(delivered.events)
            self._counts[2].labels(source.name).observe(time.perf_counter() - begin_s)
        return delivered

    async def is_applied(self, source: OpenSource, begin_s: float) -> bool:
        """Return whether workers apply all that the topic has by now, before the time of a request is over."""
        with suppress(TimeoutError):
            return await self._result(source.applied(), begin_s)
        return False

    def close(self) -> None:
        """Take nothing more; what waits is sent, or waited for a second at most."""
        self._intake.close()

    async def _result(self, future: Future[T], begin_s: float) -> T:
        """Return what a thread makes; one that has not begun when the time is over is cancelled.

        Raises:
            TimeoutError: it is.
        """
        left_s = begin_s + self._settings.event_timeout_s - time.perf_counter()
        made = asyncio.wrap_future(future)
        made.add_done_callback(_hear)
        done, _ = await asyncio.wait([made], timeout=max(left_s, 0.0))
        if not done:
            future.cancel()
            raise TimeoutError
        return made.result()

    def _count_refused(self, source: OpenSource, reason: str, events: int) -> None:
        if self._counts is not None:
            self._counts[1].labels(source.name, reason).inc(events)


def _hear(made: asyncio.Future[T]) -> None:
    """Take the failure of a call for which nobody waits any more, so that asyncio does not warn of it."""
    if not made.cancelled():
        made.exception()


def _no_fit(source: str, count: int, misfits: Sequence[EventMisfit]) -> Refused:
    """Return why events are refused: the first of those that don't fit in words, the first few as data."""
    shown = [{"event": of.place, "column": of.column, "reason": of.reason} for of in misfits[:_MOST_SHOWN]]
    return Refused(422, misfit_sentence(source, count, misfits), code="FC504", rejected=shown)


def _failure(error: FeaturectlError) -> tuple[Refused, str]:
    """Return how a failure of sending is answered, and the reason under which it is counted."""
    if isinstance(error, KeyReusedError):
        return Refused(422, error.message, hint=error.hint), "key"
    if isinstance(error, KeyBusyError):
        return Refused(409, error.message, hint=error.hint), "key"
    if isinstance(error, MessageTooLargeError):  # no other try mends it
        return Refused(413, error.message, code=error.code, hint=error.hint), "large"
    return Refused(503, error.message, code=error.code), "store"
