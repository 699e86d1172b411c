"""A model version asked about events: a score for each, or why there is none; one event does not spoil another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from featurectl.core.errors import DataError, StoreError
from featurectl.core.units import format_iso, from_us
from featurectl.models.reasons import reason_of
from featurectl.online.base import RowReader
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, KeyRows
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns
from featurectl.online.corrupt_rows import BROKEN
from featurectl.online.future_pushes import latest_at
from featurectl.online.stream_state.known_instants import RowInstant, UnknownInstantError
from featurectl.online.stream_state.protocols import OpenStreams
from featurectl.serving.freshness import views_older_than
from featurectl.serving.log.records import Reason
from featurectl.serving.project.served_model import ServedModel
from featurectl.serving.pushed_views import NOT_SERVED, check_pushed
from featurectl.serving.scoring.absent_rows import absent_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReads:
    """What features of events are read from. `pushes` are known for a while, as those of requests are."""

    store: RowReader
    streams: OpenStreams
    pushes: Pushes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEvents:
    """Events that a model version is asked about: its columns of each, and when each happened and was taken."""

    given: Mapping[str, Sequence[object]]
    instants: Sequence[RowInstant]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.instants)

    def some(self, places: Sequence[int]) -> AskedEvents:
        """Return those at some places."""
        given = {name: [values[i] for i in places] for name, values in self.given.items()}
        return AskedEvents(given=given, instants=[self.instants[i] for i in places])


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredEvents:
    """Events that have scores, by their places among those that were asked: what was read, all inputs, and the scores.

    `instants` are those as of which each was answered.
    """

    places: Sequence[int]
    found: FeatureColumns
    inputs: Mapping[str, Sequence[object]]
    scores: Sequence[float]
    instants: Sequence[RowInstant]


@dataclass(slots=True, kw_only=True)
class EventAnswers:
    """What comes of some events: those that have scores, why others have none, and of which nothing is known any more.

    `failed` has by place by whose fault there is no score, and the reason in words.
    """

    answered: list[AnsweredEvents] = field(default_factory=list)
    failed: dict[int, tuple[Reason, str]] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)


_NO_ROW: Final = "the online store has nothing of it"


def ask_model(reads: EventReads, model: ServedModel, asked: AskedEvents) -> EventAnswers:
    """Return what a model version says of some events.

    Raises:
        StoreError: the store can't be read. DataError: FC511, FC527, FC550, a view is not online.
    """
    question = _Question(reads, model, asked)
    question.ask(range(asked.count))
    return question.answers


class _Question:
    """Asks a model version about events; where one of many is wrong, about each alone."""

    def __init__(self, reads: EventReads, model: ServedModel, asked: AskedEvents) -> None:
        self._reads, self._model, self._asked = reads, model, asked
        self.answers = EventAnswers()

    def ask(self, places: Sequence[int]) -> None:
        some = self._asked if len(places) == self._asked.count else self._asked.some(places)
        try:
            found = self._read(some)
        except UnknownInstantError as error:
            unknown = error.messages or dict.fromkeys(range(some.count), error.message)
            self.answers.unknown |= {places[i]: why for i, why in unknown.items()}
            if rest := [place for i, place in enumerate(places) if i not in unknown]:
                self.ask(rest)
            return
        except (DataError, StoreError) as error:
            if error.code in NOT_SERVED or (isinstance(error, StoreError) and error.code != BROKEN):
                raise
            self._one_by_one(places, ("refused", error.message))
            return
        unknown = later_states(found, some.instants)
        self.answers.unknown |= {places[i]: why for i, why in unknown.items()}
        refused = {i: why for i, why in self._refused(found).items() if i not in unknown}
        self.answers.failed |= {places[i]: ("refused", why) for i, why in refused.items()}
        kept = [i for i in range(some.count) if i not in refused and i not in unknown]
        if kept and len(kept) < some.count:
            found, some = _some_rows(found, kept), some.some(kept)
        if kept:
            self._score([places[i] for i in kept], found, some)

    def _score(self, places: Sequence[int], found: FeatureColumns, some: AskedEvents) -> None:
        model = self._model
        try:
            inputs = model.reader.complete(found, some.given)
        except DataError as error:
            self._one_by_one(places, ("refused", error.message))
            return
        try:
            scores = model.scores(inputs, some.count)
        except Exception as error:  # noqa: BLE001 (models run code of their own)
            self._one_by_one(places, ("failed", f"{model.label} has no score: {reason_of(error)}"))
            return
        finite = [i for i, score in enumerate(scores) if math.isfinite(score)]
        if len(finite) < len(scores):
            why = f"{model.label} has no score: is an input null?"
            self.answers.failed |= {places[i]: ("failed", why) for i in set(range(len(scores))) - set(finite)}
            found = _some_rows(found, finite)
            inputs = {name: [values[i] for i in finite] for name, values in inputs.items()}
        if finite:
            answered = AnsweredEvents(
                places=[places[i] for i in finite],
                found=found,
                inputs=inputs,
                scores=[scores[i] for i in finite],
                instants=found.instants or [some.instants[i] for i in finite],
            )
            self.answers.answered.append(answered)

    def _one_by_one(self, places: Sequence[int], failure: tuple[Reason, str]) -> None:
        """Ask about each event alone; one that was alone has failed."""
        if len(places) == 1:
            self.answers.failed[places[0]] = failure
            return
        for place in places:
            self.ask([place])

    def _read(self, asked: AskedEvents) -> FeatureColumns:
        now, reader, pushes = datetime.now(UTC), self._model.reader.features, self._reads.pushes
        latest = latest_at(now)
        rows = KeyRows(keys=asked.given, count=asked.count, now=now, latest=latest, instants=asked.instants)
        found = read_columns(self._reads.store, reader, pushes, rows, self._reads.streams)
        check_pushed(pushes, reader, latest)
        return found

    def _refused(self, found: FeatureColumns) -> dict[int, str]:
        """Return which events the model's `missing` rejects, and why."""
        policy, reader = self._model.reader.missing, self._model.reader.features
        refused: dict[int, str] = {}
        if policy.stale == "reject" and policy.max_age_us is not None:
            old = views_older_than(self._reads.pushes, reader, found.now, policy.max_age_us)
            if old:
                refused |= dict.fromkeys(range(found.count), f"features older than max_age: {', '.join(sorted(old))}")
        if policy.no_row == "reject":
            refused |= {row: f"{_NO_ROW}: {name}" for row, name in absent_rows(found).items()}
        return refused


def later_states(found: FeatureColumns, asked: Sequence[RowInstant]) -> dict[int, str]:
    """Return of which rows the store has a state of later than they ask about: it knows no more what was then.

    Of a view that is pushed the store keeps an entity's newest row alone. Windows that are pushed are of when they were
    computed, which their row says, whatever they are asked about.
    """
    later: dict[int, str] = {}
    states = {
        column.source.field: column.event_us
        for column in found.columns.values()
        if column.source.view.kind != "event" and not column.source.view.source.is_stream
    }
    for field_name, newest in states.items():
        for row, (event_us, at) in enumerate(zip(newest, found.instants or asked, strict=True)):
            if event_us is not None and event_us > at.time_us:
                asked_for, known = (format_iso(from_us(us)) for us in (at.time_us, event_us))
                why = f"the online store does not know any more what was at {asked_for}: its row is of {known}"
                later.setdefault(row, f"{field_name}: {why}")
    return later


def _some_rows(found: FeatureColumns, places: Sequence[int]) -> FeatureColumns:
    """Return some rows of what was read."""
    columns = {}
    for name, column in found.columns.items():
        columns[name] = FeatureColumn(
            column.source,
            [column.values[i] for i in places],
            [column.statuses[i] for i in places],
            [column.defaulted[i] for i in places],
            [column.event_us[i] for i in places],
            [column.computed_us[i] for i in places],
        )
    instants = None if found.instants is None else [found.instants[i] for i in places]
    return replace(found, columns=columns, count=len(places), instants=instants)
