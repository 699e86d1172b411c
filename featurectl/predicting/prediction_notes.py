"""What is noted of predictions that were made: how many, how long they took, and their rows in the prediction log."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from featurectl.predicting.predicted_events import PlacedEvent, PredictedEvents
from featurectl.predicting.prediction_counter import PredictionCounter
from featurectl.serving.log.records import FailedRequest, LoggedEvents, PredictionSink, ScoredRequest
from featurectl.streaming.predictions import OfferedBatch

Logged = TypeVar("Logged", ScoredRequest, FailedRequest)


class PredictionNotes:
    """Counts and logs the predictions of one model; `log` None: they are not logged."""

    def __init__(self, log: PredictionSink | None, counter: PredictionCounter, wall_us: Callable[[], int]) -> None:
        self._log, self._counter, self._wall_us = log, counter, wall_us

    def take(self, found: PredictedEvents, batches: Sequence[OfferedBatch], events: Sequence[PlacedEvent]) -> None:
        """Take note of predictions that were put where they go, on events of a batch each.

        How long one took is from when its event was sent, or stamped where the broker does not say, until now.
        """
        now_us = self._wall_us()
        begun = {
            (partition, event.offset): batch.messages.sent_at_us[place_of(batch, event.offset)] or event.available_us
            for batch, (event, partition, _) in zip(batches, events, strict=True)
        }
        took = {each.id: max(0, now_us - begun[each.partition, each.offset]) / 1e3 for each in found.predictions}
        self._counter.add("answered", sum(len(each.scores) for each in found.scored))
        for failed in found.failed:
            self._counter.add("failed" if failed.reason == "failed" else "refused", failed.count)
        self._counter.took([*took.values()], found.early)
        self.log(found, lambda rows: replace(rows, latencies_ms=[took[of] for of in rows.ids]))

    def log(self, found: PredictedEvents, timed: Callable[[LoggedEvents], LoggedEvents]) -> None:
        """Offer predictions to the log; `timed` says how long they took."""
        if self._log is None:
            return
        for scored in found.scored:
            self._log.offer(_timed(scored, timed))
        for failed in found.failed:
            self._log.offer_failure(_timed(failed, timed))


def place_of(batch: OfferedBatch, offset: int) -> int:
    """Return the place of a message in its batch."""
    return bisect_left(batch.messages.offsets, offset)


def _timed(of: Logged, timed: Callable[[LoggedEvents], LoggedEvents]) -> Logged:
    assert of.events is not None
    return replace(of, events=timed(of.events))
