"""A thread that sends the events of requests, those that wait together; it keeps no process from ending."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.streaming.intake.delivery import (
    MOST_TOGETHER,
    SIZE_TOGETHER,
    DeliveredEvents,
    DeliveryResult,
    EventDelivery,
    EventRequest,
)

DeliveryFuture = Future[DeliveredEvents]
_CLOSE_S: Final = 1.0


class DeliveryThread:
    """Sends requests in the order in which they came. One that was cancelled before its turn is not sent.

    What waits while the broker takes what came before goes at once then: a flush costs the same for one and for many.
    """

    def __init__(self, delivery: EventDelivery, name: str, on_fault: Callable[[BaseException], None]) -> None:
        self._delivery = delivery
        self._name = name
        self._on_fault = on_fault
        self._waiting: deque[tuple[DeliveryFuture, EventRequest]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, request: EventRequest) -> DeliveryFuture:
        """Return what will become of a request; it fails with what the broker or the store of keys says.

        Raises:
            StoreError: the source is another one by now, or gone.
        """
        future: DeliveryFuture = Future()
        with self._changed:
            if self._is_closed:
                raise StoreError("the source was changed or removed while its events came", code="FC606")
            while self._waiting and self._waiting[0][0].cancelled():  # in their order, where the broker hangs
                self._waiting.popleft()
            self._waiting.append((future, request))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def close(self, wait_s: float = _CLOSE_S) -> None:
        """Take nothing more; the thread ends when what waits is sent, and is waited for so long."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None and wait_s:
            self._thread.join(wait_s)

    def _run(self) -> None:
        while taken := self._take():
            try:
                results = self._delivery.deliver([request for _, request in taken])
            except BaseException as error:  # noqa: BLE001 (a fault of ours: whoever waits gets it, others go on)
                self._on_fault(error)
                fault = StoreError("the events could not be sent, by a fault of featurectl", code="FC606")
                results = [fault] * len(taken)
            _answer([future for future, _ in taken], results)
        self._delivery.close()

    def _take(self) -> list[tuple[DeliveryFuture, EventRequest]]:
        """Return what waits, up to what is sent by one step; nothing once the thread is to end."""
        taken: list[tuple[DeliveryFuture, EventRequest]] = []
        with self._changed:
            while not taken:
                while not self._waiting:
                    if self._is_closed:
                        return []
                    self._changed.wait()
                events = size = 0
                while self._waiting:
                    future, request = self._waiting[0]
                    events, size = events + len(request.records), size + request.size
                    if taken and (events > MOST_TOGETHER or size > SIZE_TOGETHER):
                        break
                    self._waiting.popleft()
                    if future.set_running_or_notify_cancel():
                        taken.append((future, request))
        return taken


def _answer(futures: Sequence[DeliveryFuture], results: Sequence[DeliveryResult]) -> None:
    for future, result in zip(futures, results, strict=True):
        if isinstance(result, FeaturectlError):
            future.set_exception(result)
        else:
            future.set_result(result)
