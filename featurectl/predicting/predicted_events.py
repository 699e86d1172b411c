"""Events become predictions by the versions of a model: the same version answers an entity as in `serve`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from featurectl.core.errors import DataError
from featurectl.core.units import from_us
from featurectl.online.stream_state.known_instants import RowInstant
from featurectl.predicting.event_columns import given_columns, row_of
from featurectl.predicting.followed_models import PredictingModel
from featurectl.predicting.predictions import EventPrediction, prediction_id
from featurectl.predicting.rows_answered import AskedEvents, EventAnswers, EventReads, ask_model
from featurectl.serving.log.records import FailedRequest, LoggedEvents, Reason, ScoredRequest
from featurectl.serving.project.canary import CanaryAssignment, ServedCanary, oldest_ages
from featurectl.serving.project.served_model import ServedModel
from featurectl.serving.scoring.answering_versions import VersionRows, canary_rows
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.view_records import StampedEvent


class PlacedEvent(NamedTuple):
    """An event, its partition in the topic, and what the log calls that."""

    event: StampedEvent
    partition: int
    name: str


@dataclass(slots=True, kw_only=True)
class PredictedEvents:
    """What came of some events: predictions, what the log is to have of them, and of which nothing is known any more.

    `unknown` has the reason by the place of an event. `early` of the predictions were made before all was there that
    was known at the stamp of their event.
    """

    predictions: list[EventPrediction] = field(default_factory=list)
    scored: list[ScoredRequest] = field(default_factory=list)
    failed: list[FailedRequest] = field(default_factory=list)
    unknown: dict[int, str] = field(default_factory=dict)
    early: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuestion:
    """Events of one decoder that one model predicts; `topic` is that of their source."""

    topic: str
    events: Sequence[PlacedEvent]
    decoder: EventDecoder

    def instants(self) -> list[RowInstant]:
        """Return when each happened and was taken; an event of later than its stamp is asked about as of that."""
        return [RowInstant(event.event_us, event.available_us).before(event.available_us) for event, *_ in self.events]


def predict_events(reads: EventReads, model: PredictingModel, question: EventQuestion) -> PredictedEvents:
    """Return what comes of events by the versions of a model that answer their entities.

    Raises:
        StoreError: the store can't be read. DataError: FC511, FC527, FC550, a view is not online.
    """
    assert model.model is not None, "no version to predict by"
    found = PredictedEvents()
    for part in _parts(model.model, model.canary, question):
        _predict(reads, part, question, found)
    return found


def predict_in_shadow(reads: EventReads, canary: ServedCanary, question: EventQuestion) -> PredictedEvents:
    """Return what the challenger of a canary in shadow mode says of events, for the log alone.

    Raises:
        As `predict_events`.
    """
    entities = _entities(canary, question)
    assignment = CanaryAssignment(canary=canary.run.number, role="shadow", entities=entities)
    part = VersionRows(
        model=canary.challenger, places=range(len(question.events)), canary=canary, assignment=assignment
    )
    found = PredictedEvents()
    _predict(reads, part, question, found)
    return found


def _parts(champion: ServedModel, canary: ServedCanary | None, question: EventQuestion) -> list[VersionRows]:
    if canary is None:
        return [VersionRows(model=champion, places=range(len(question.events)))]
    given = _given(canary.champion, question)
    return canary_rows(canary, [row_of(given, i) for i in range(len(question.events))])


def _entities(canary: ServedCanary, question: EventQuestion) -> list[int]:
    given = _given(canary.champion, question)
    return [canary.entity(row_of(given, i)) for i in range(len(question.events))]


def _given(model: ServedModel, question: EventQuestion) -> Mapping[str, Sequence[object]]:
    try:
        return given_columns(model.reader, [event for event, *_ in question.events], question.decoder)
    except DataError:  # what the version is asked by is not there any more: it fails by that
        return {name: [None] * len(question.events) for name in model.reader.columns}


def _predict(reads: EventReads, part: VersionRows, question: EventQuestion, found: PredictedEvents) -> None:
    """Add what a version says of its events."""
    events = [question.events[place] for place in part.places]
    own = replace(question, events=events)
    instants = own.instants()
    try:
        given = given_columns(part.model.reader, [event for event, *_ in events], question.decoder)
    except DataError as error:
        given = {name: [None] * len(events) for name in part.model.reader.columns}
        answers = EventAnswers(failed=dict.fromkeys(range(len(events)), ("failed", error.message)))
    else:
        answers = ask_model(reads, part.model, AskedEvents(given=given, instants=instants))
    asked = _Asked(part=part, question=own, given=given, instants=instants)
    for answered in answers.answered:
        made = asked.predictions(answered.places, answered.instants, answered.scores)
        found.predictions += made
        found.early += sum(
            at.known_us < events[place].event.available_us
            for place, at in zip(answered.places, answered.instants, strict=True)
        )
        found.scored.append(
            ScoredRequest(
                model=part.model,
                given={name: [values[i] for i in answered.places] for name, values in given.items()},
                found=answered.found,
                inputs=answered.inputs,
                scores=answered.scores,
                warnings=[],
                latency_ms=0.0,
                assignment=asked.assignment(answered.places),
                ages_us=oldest_ages(answered.found, reads.pushes) if part.assignment else (),
                events=_event_rows(made),
            )
        )
    _add_failed(asked, answers.failed, found)
    found.unknown |= {part.places[place]: why for place, why in answers.unknown.items()}


def _add_failed(asked: _Asked, failed: Mapping[int, tuple[Reason, str]], found: PredictedEvents) -> None:
    by_reason: dict[tuple[Reason, str], list[int]] = {}
    for place, why in sorted(failed.items()):
        by_reason.setdefault(why, []).append(place)
    for (reason, error), places in by_reason.items():
        instants = [asked.instants[place] for place in places]
        made = asked.predictions(places, instants, [None] * len(places), error)
        found.predictions += made
        found.failed.append(
            FailedRequest(
                model=asked.part.model,
                given={name: [values[i] for i in places] for name, values in asked.given.items()},
                count=len(places),
                now=from_us(instants[0].time_us),
                error=error,
                reason=reason,
                latency_ms=0.0,
                assignment=asked.assignment(places),
                events=_event_rows(made),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one version was asked."""

    part: VersionRows
    question: EventQuestion
    given: Mapping[str, Sequence[object]]
    instants: Sequence[RowInstant]

    def predictions(
        self,
        places: Sequence[int],
        instants: Sequence[RowInstant],
        scores: Sequence[float | None],
        error: str | None = None,
    ) -> list[EventPrediction]:
        version, key_types = self.part.model.version, self.part.model.reader.features.key_types
        made = []
        for place, at, score in zip(places, instants, scores, strict=True):
            event, partition, name = self.question.events[place]
            made.append(
                EventPrediction(
                    id=prediction_id(version.model, self.question.topic, name, event.offset),
                    model=version.model,
                    version=version.version,
                    output=self.part.model.output,
                    score=score,
                    error=error,
                    keys={name: self.given[name][place] for name in key_types},
                    key_types=key_types,
                    event_us=event.event_us,
                    time_us=at.time_us,
                    known_us=at.known_us,
                    topic=self.question.topic,
                    partition=partition,
                    offset=event.offset,
                )
            )
        return made

    def assignment(self, places: Sequence[int]) -> CanaryAssignment | None:
        whole = self.part.assignment
        return None if whole is None else replace(whole, entities=[whole.entities[place] for place in places])


def _event_rows(made: Sequence[EventPrediction]) -> LoggedEvents:
    """Return what the log has of predictions; how long they took is known when they are where they go."""
    return LoggedEvents(
        times=[each.time_us for each in made],
        known=[each.known_us for each in made],
        ids=[each.id for each in made],
        latencies_ms=[0.0] * len(made),
    )
