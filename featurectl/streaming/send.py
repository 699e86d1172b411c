"""Sends events to a topic as fast as it takes them, at a rate, or at the pace at which they happened."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.streaming.event_rows import TimedRecords
from featurectl.streaming.topics.base import FLUSH_S, TopicWriter

_MOST_AT_ONCE: Final = 5_000
_US: Final = 1e-6
_WAKE_S: Final = 0.01  # what falls due within it is sent together


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPace:
    """How fast events are sent: `speed` times as fast as they happened (None: at once), at most `rate` a second."""

    speed: float | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendClock:
    """Seconds that go by, and how they are waited for."""

    now_s: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport:
    """How many events the broker has taken, and the event times of the first and the last of them (None: of none)."""

    sent: int = 0
    first_us: int | None = None
    last_us: int | None = None


def send_events(
    batches: Iterable[TimedRecords],
    writer: TopicWriter,
    pace: SendPace,
    clock: SendClock,
    on_sent: Callable[[SendReport], None] = lambda _: None,
) -> SendReport:
    """Return what was sent of some events, in their order; `on_sent` hears how far it is after each flush.

    Raises:
        StoreError: the broker does not take them; `on_sent` has heard what it took before.
    """
    due = _Schedule(pace, clock)
    report = SendReport()
    for batch in batches:
        start = 0
        while start < len(batch.records):
            end = due.wait(batch.times_us, start)
            writer.send(batch.records[start:end])
            writer.flush(FLUSH_S)
            first_us = batch.times_us[0] if report.first_us is None else report.first_us
            report = SendReport(sent=report.sent + end - start, first_us=first_us, last_us=batch.times_us[end - 1])
            on_sent(report)
            start = end
    return report


class _Schedule:
    """When events are due: an event that was late makes those behind it late by nothing."""

    def __init__(self, pace: SendPace, clock: SendClock) -> None:
        self._pace = pace
        self._clock = clock
        self._begin_s = clock.now_s()
        self._first_us: int | None = None
        self._sent = 0

    def wait(self, times_us: Sequence[int], start: int) -> int:
        """Wait until the event at a place is due, and return the place behind those that are due with it."""
        if self._first_us is None:
            self._first_us, self._begin_s = times_us[start], self._clock.now_s()
        while (left_s := self._due_s(times_us[start]) - self._clock.now_s()) > 0:
            self._clock.sleep(left_s)
        end = min(len(times_us), start + _MOST_AT_ONCE)
        until_s = self._clock.now_s() - self._begin_s + _WAKE_S
        if self._pace.rate is not None:
            end = min(end, start + max(1, int(until_s * self._pace.rate) - self._sent))
        if self._pace.speed is not None:
            until_us = self._first_us + int(until_s * self._pace.speed / _US)
            end = max(start + 1, bisect_right(times_us, until_us, start, end))
        self._sent += end - start
        return end

    def _due_s(self, time_us: int) -> float:
        """Return when the next event is due, which happened at a time."""
        assert self._first_us is not None
        by_rate = self._sent / self._pace.rate if self._pace.rate is not None else 0.0
        by_speed = (time_us - self._first_us) * _US / self._pace.speed if self._pace.speed is not None else 0.0
        return self._begin_s + max(by_rate, by_speed)
