"""Sends the events of a client in Python: written as JSON, checked, and given to the broker."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeVar

from featurectl.core.errors import DataError, NoAnswerError, UsageError
from featurectl.online.client.event_sender import AcknowledgedEvents, EventSending
from featurectl.online.request_keys import request_key
from featurectl.streaming.intake.delivery import DeliveredEvents, EventRequest
from featurectl.streaming.intake.delivery_thread import DeliveryFuture
from featurectl.streaming.intake.event_intake import EventIntake, OpenSource
from featurectl.streaming.intake.late_answer import late_answer
from featurectl.streaming.intake.offered_events import misfit_sentence
from featurectl.workspace.workspace import Workspace

T = TypeVar("T")
LIMIT_S: Final = 10.0
_MOST_KEY: Final = 255  # characters


class ClientEventSender:
    """An `EventSender` of a workspace: a thread for each source sends, so that a broker that hangs is left in time."""

    def __init__(self, workspace: Workspace, limit_s: float = LIMIT_S) -> None:
        """Send events; each call ends after `limit_s`.

        Raises:
            UsageError: the clock of the environment, or of the client, is fixed.
        """
        if workspace.as_of is not None:
            raise UsageError("events are stamped by the clock", hint="open the client without as_of")
        self._intake = EventIntake(workspace, limit_s, lambda _: None)
        self._limit_s = limit_s

    def send(self, sending: EventSending) -> AcknowledgedEvents:
        """Return what was sent, once the broker has all of it."""
        until_s = time.monotonic() + self._limit_s
        source, future = self._begin(sending)
        try:
            delivered = future.result(self._limit_s)
        except FutureTimeoutError as error:
            raise self._late(future, sending) from error
        applied = self._applied(source, until_s) if sending.sync else None
        return _acknowledged(delivered, applied=applied)

    async def send_beside(self, sending: EventSending) -> AcknowledgedEvents:
        """Return the same, while the event loop goes on."""
        until_s = time.monotonic() + self._limit_s
        source, future = self._begin(sending)
        try:
            delivered = await _in_time(future, until_s)
        except TimeoutError as error:
            raise self._late(future, sending) from error
        applied = None
        if sending.sync:
            applied = False
            with suppress(TimeoutError):
                applied = await _in_time(source.applied(), until_s)
        return _acknowledged(delivered, applied=applied)

    def close(self) -> None:
        """Send nothing more, and close what was opened."""
        self._intake.close()

    def _begin(self, sending: EventSending) -> tuple[OpenSource, DeliveryFuture]:
        key = sending.idempotency_key
        if key is not None and not 0 < len(key) <= _MOST_KEY:
            raise UsageError(f"idempotency_key: {len(key):,} characters; 1 to {_MOST_KEY} are allowed")
        source = self._intake.source(sending.state, sending.source)
        values = [_json_of(event, place) for place, event in enumerate(sending.events)]
        found = source.events.check(values, time.time_ns() // 1_000)
        if found.misfits:
            raise DataError(misfit_sentence(source.name, len(values), found.misfits), code="FC504")
        known = None if key is None else request_key(key, b"\n".join(values))
        size = sum(map(len, values))
        return source, source.submit(EventRequest(records=found.records, key=known, size=size))

    def _applied(self, source: OpenSource, until_s: float) -> bool:
        future = source.applied()
        try:
            return future.result(max(until_s - time.monotonic(), 0.0))
        except FutureTimeoutError:
            future.cancel()
            return False

    def _late(self, future: DeliveryFuture, sending: EventSending) -> NoAnswerError:
        withdrawn = future.cancel() or future.cancelled()
        return late_answer(self._limit_s, withdrawn=withdrawn, has_key=sending.idempotency_key is not None)


async def _in_time(future: Future[T], until_s: float) -> T:
    """Return what a thread makes; one that has not begun when the time is over is cancelled.

    Raises:
        TimeoutError: it is.
    """
    made = asyncio.wrap_future(future)
    made.add_done_callback(_hear)
    done, _ = await asyncio.wait([made], timeout=max(until_s - time.monotonic(), 0.0))
    if not done:
        future.cancel()
        raise TimeoutError
    return made.result()


def _hear(made: asyncio.Future[T]) -> None:
    """Take the failure of a call for which nobody waits any more, so that asyncio does not warn of it."""
    if not made.cancelled():
        made.exception()


def _acknowledged(delivered: DeliveredEvents, *, applied: bool | None) -> AcknowledgedEvents:
    return AcknowledgedEvents(events=delivered.events, repeated=delivered.repeated, applied=applied)


def _json_of(event: object, place: int) -> bytes:
    """Return an event as a message has it.

    Raises:
        DataError: FC504, it is no mapping, or a value is of no type of the language.
    """
    if not isinstance(event, Mapping):
        raise DataError(f"event {place + 1:,}: no mapping but {type(event).__name__}", code="FC504")
    try:
        known = {str(name): _plain(value) for name, value in event.items()}
        return json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"event {place + 1:,}: {error}", code="FC504") from error


def _plain(value: object) -> object:
    """Return a value as JSON has it; a number of numpy is one of Python first."""
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value).replace("inf", "Infinity").replace("nan", "NaN")
        case datetime():
            if value.tzinfo is None:
                return value.isoformat()
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case list() | tuple():
            return [_plain(item) for item in value]
    if callable(item := getattr(value, "item", None)):
        return _plain(item())
    raise TypeError(f"{type(value).__name__} is no type of a column")
