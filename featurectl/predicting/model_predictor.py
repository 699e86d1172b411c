"""Predicts the events of a source by one model: as they can be read, a batch at a time, and where they are to go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.units import format_age
from featurectl.language.definitions.on_events import OnEvents
from featurectl.predicting.event_columns import is_wanted
from featurectl.predicting.followed_models import PredictingModel
from featurectl.predicting.places import PredictionsPlace, RefusedPrediction, open_place
from featurectl.predicting.predicted_events import (
    EventQuestion,
    PlacedEvent,
    predict_events,
    predict_in_shadow,
)
from featurectl.predicting.prediction_counter import PredictionCounter
from featurectl.predicting.prediction_notes import PredictionNotes, place_of
from featurectl.predicting.prediction_queue import EventPart, PredictionQueue, WaitingBatch
from featurectl.predicting.rows_answered import EventReads
from featurectl.serving.log.records import PredictionSink
from featurectl.streaming.predictions import OfferedBatch, PredictionCounts
from featurectl.streaming.read_events import RejectedEvent

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace

AT_ONCE: Final = 256  # events
_PATIENCE_S: Final = 0.1  # then an event is predicted by what there is
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 5.0
_MOST_IN_SHADOW: Final = 2_000  # events that wait for the champion: above it the challenger is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSetting:
    """What the predictors of a source share. `log` None: predictions are not logged. `clock` only grows, in seconds."""

    workspace: Workspace
    topic: str
    reads: EventReads
    log: PredictionSink | None
    clock: Callable[[], float] = time.monotonic
    wall_us: Callable[[], int] = lambda: time.time_ns() // 1_000


class ModelPredictor:
    """Predicts by one model; for one thread, but for `counts`."""

    def __init__(self, setting: PredictorSetting, model: PredictingModel) -> None:
        self.name, self._setting, self.model = model.name, setting, model
        self._queue = PredictionQueue()
        self._settling: deque[WaitingBatch] = deque()  # predicted, and not known to be where they go
        self._ended: list[WaitingBatch] = []  # they are there, in this step
        self._destination: tuple[OnEvents, PredictionsPlace] | None = None
        self._counter = PredictionCounter(model.name)
        self._notes = PredictionNotes(setting.log, self._counter, setting.wall_us)
        self._again_s, self._wait_s = 0.0, _FIRST_WAIT_S
        self.error: FeaturectlError | None = None
        self.goes_on = False  # the last step predicted something

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._queue)

    @property
    def is_waiting(self) -> bool:
        """Whether events wait that could be predicted now."""
        is_able = self.model.model is not None and self._setting.clock() >= self._again_s
        is_held = self._destination is not None and self._destination[1].is_busy
        return is_able and not is_held and len(self._queue) > 0

    def offer(self, batch: OfferedBatch) -> None:
        """Take the events of a batch."""
        holds = is_wanted(self.model.on_events, batch.decoder)
        wanted = [event for event in batch.events if holds(event.row)]
        self._counter.add("left_out", len(batch.events) - len(wanted))
        self._queue.add(WaitingBatch(batch=batch, events=wanted, since_s=self._setting.clock()))

    def forget(self, partition: int) -> None:
        """Let go what was offered of a partition."""
        self._queue.forget(partition)
        self._settling = deque(of for of in self._settling if of.partition != partition)

    def step(self, asof_us: Callable[[], int], *, is_last: bool = False) -> list[WaitingBatch]:
        """Predict some events, and return the batches whose predictions are where they go by now.

        `asof_us` reads up to when all events are in answers. What fails is in `counts`, and is tried again later.
        `is_last`: what waits to go with others goes now.
        """
        self.goes_on = False
        if self._setting.clock() < self._again_s:
            return []
        went_well = False
        try:
            went_well = self._step(asof_us, is_last=is_last)
        except FeaturectlError as error:
            self.error = error
            self._again_s = self._setting.clock() + self._wait_s
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            self._queue.begin_anew([*self._settling])
            self._settling.clear()
            if self._destination is not None:
                self._destination[1].forget()
            self.goes_on = False
        silence = None if self._destination is None else self._destination[1].problem
        if self.model.problem:
            self.error = StoreError(self.model.problem)
        elif silence is not None:
            self.error = silence
        elif went_well:
            self.error, self._wait_s = None, _FIRST_WAIT_S
        ended, self._ended = self._ended, []
        return ended

    def _step(self, asof_us: Callable[[], int], *, is_last: bool) -> bool:
        """Return whether some are where they go; False: nothing went well or badly yet."""
        if self.model.problem:
            return False
        if self.model.model is None:  # no version was trained yet, or none is promoted: nothing is to be predicted
            if self._destination is not None:
                self._are_there(self._destination[1], is_last=True)
            self._settling += self._queue.finish(self._queue.ready(1 << 62, float("inf"), 1 << 62))
            self._end_those_there()
            return True
        destination = self._opened()
        went_well = self._are_there(destination, is_last=is_last)
        if len(self._queue) and not destination.prepare():
            return went_well
        if len(self._queue):
            asof, clock = asof_us(), self._setting.clock()
            parts = self._queue.ready(asof, clock - _PATIENCE_S, AT_ONCE)
            self.goes_on = bool(parts)
            self._predict(parts, asof, destination)
            self._settling += self._queue.finish(parts)
        else:
            parts = self._queue.ready(0, 0, AT_ONCE)  # batches of which no event is wanted
            self._settling += self._queue.finish(parts)
        went_well |= self._are_there(destination, is_last=is_last)
        return went_well or not (self._settling or len(self._queue))

    def _are_there(self, destination: PredictionsPlace, *, is_last: bool) -> bool:
        """Return whether predictions were on their way and are there now."""
        were_on_their_way = bool(self._settling)
        if not destination.flush(is_last=is_last):
            return False
        self._put_aside(destination.refused())
        self._end_those_there()
        return were_on_their_way

    def _put_aside(self, refused: Sequence[RefusedPrediction]) -> None:
        """Let events be without a prediction, as it can't be where it was to go."""
        for of, why in refused:
            waiting = [each for each in self._settling if each.holds(of.partition, of.offset)]
            batch = waiting[0] if waiting else self._queue.find(of.partition, of.offset)
            if batch is not None:  # nobody asks about its partition any more
                text = f"model {self.name}: the prediction of event {of.topic}/{of.partition}@{of.offset} {why}"
                self._leave_out(batch, of.offset, batch.stamp_of(of.offset), text)
                batch.too_large += 1

    def _end_those_there(self) -> None:
        too_large = sum(of.too_large for of in self._settling)
        self._counter.add("too_large", too_large)
        self._counter.add("too_old", sum(len(of.unscored) for of in self._settling) - too_large)
        self._ended += self._settling
        self._settling.clear()

    def _opened(self) -> PredictionsPlace:
        """Return where predictions go now; of a place that was written instead of another one nothing waits there."""
        if self._destination is not None and _place(self._destination[0]) == _place(self.model.on_events):
            return self._destination[1]
        if self._destination is not None:
            self._are_there(self._destination[1], is_last=True)
            self._destination[1].close()
        opened = open_place(self._setting.workspace, self.name, self.model.on_events)
        self._destination = self.model.on_events, opened
        return opened

    def _predict(self, parts: Sequence[EventPart], asof_us: int, destination: PredictionsPlace) -> None:
        by_decoder: dict[int, list[tuple[WaitingBatch, PlacedEvent]]] = {}
        for part in parts:
            batch = part.of.batch
            for event in part.events:
                if not self._is_too_old(part.of, event.event_us, asof_us, event.offset, event.available_us):
                    asked = by_decoder.setdefault(id(batch.decoder), [])
                    asked.append((part.of, PlacedEvent(event, part.of.partition, batch.name)))
        for asked in by_decoder.values():
            decoder = asked[0][0].batch.decoder
            events = [event for _, event in asked]
            question = EventQuestion(topic=self._setting.topic, events=events, decoder=decoder)
            found = predict_events(self._setting.reads, self.model, question)
            for place, why in found.unknown.items():
                of, (event, *_) = asked[place]
                self._leave_out(of, event.offset, event.available_us, f"model {self.name}: {why}")
            destination.put(found.predictions)
            self._notes.take(found, [of.batch for of, _ in asked], events)
            self._shadow(question)

    def _is_too_old(self, of: WaitingBatch, event_us: int, asof_us: int, offset: int, stamp_us: int) -> bool:
        age_us, most_us = asof_us - event_us, self.model.on_events.max_age_us
        if age_us <= most_us:
            return False
        why = (
            f"model {self.name}: not predicted, as it is {format_age(age_us)} old and max_age is {format_age(most_us)}"
        )
        self._leave_out(of, offset, stamp_us, why)
        return True

    def _leave_out(self, of: WaitingBatch, offset: int, stamp_us: int, why: str) -> None:
        value = of.batch.messages.values[place_of(of.batch, offset)]
        of.unscored.append(RejectedEvent(offset, stamp_us, why, "", value))

    def _shadow(self, question: EventQuestion) -> None:
        """Have the challenger of a canary in shadow mode score the same events, unless others wait."""
        canary = self.model.canary
        if canary is None or canary.run.percent or self._setting.log is None:
            return
        if len(self._queue) > _MOST_IN_SHADOW:
            self._counter.add("shadow_dropped", len(question.events))
            return
        begin_s = self._setting.clock()
        found = predict_in_shadow(self._setting.reads, canary, question)
        took_ms = (self._setting.clock() - begin_s) * 1e3
        self._notes.log(found, lambda rows: replace(rows, latencies_ms=[took_ms] * len(rows.ids)))

    def counts(self) -> PredictionCounts:
        """Return what was done so far."""
        error = self.error
        return self._counter.counts(len(self._queue), "" if error is None else error.message)

    def close(self) -> None:
        """Close the place of predictions; what was not settled is made again by whoever takes these events next."""
        if self._destination is not None:
            with suppress(FeaturectlError):  # of a model that is removed nobody makes it again
                self._destination[1].flush(is_last=True)
            self._destination[1].close()


def _place(on_events: OnEvents) -> tuple[str, str, str]:
    return on_events.topic, on_events.url, on_events.path
