"""What comes of a request for predictions, as the log takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from featurectl.online.client.feature_columns import FeatureColumns
from featurectl.serving.project.canary import CanaryAssignment
from featurectl.serving.project.served_model import ServedModel

Reason = Literal["failed", "store", "refused"]  # by whose fault rows have no score: the model's, the store's, their own


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvents:
    """Of rows that are events: as of when each was asked, its prediction's id, and how long that took.

    `times` and `known` are microseconds since 1970: windows end at the one, what was available by the other counts.
    `latencies_ms` are from when an event was sent to its prediction.
    """

    times: Sequence[int]
    known: Sequence[int]
    ids: Sequence[str]
    latencies_ms: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRequest:
    """Rows with their scores: what was given, what was read, all inputs of the model, and warnings by row.

    `latency_ms` is from the beginning of the request to the scores; `ages_us`, of rows of a canary, are `oldest_ages`.
    Rows with `events` are one request each, with instants and latencies of their own.
    """

    model: ServedModel
    given: Mapping[str, Sequence[object]]
    found: FeatureColumns
    inputs: Mapping[str, Sequence[object]]
    scores: Sequence[float]
    warnings: Sequence[str]
    latency_ms: float
    assignment: CanaryAssignment | None = None
    ages_us: Sequence[int | None] = ()
    events: LoggedEvents | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest:
    """Rows that could not be scored: what was given, as of when, why, and by whose fault."""

    model: ServedModel
    given: Mapping[str, Sequence[object]]
    count: int
    now: datetime
    error: str
    reason: Reason
    latency_ms: float
    assignment: CanaryAssignment | None
    events: LoggedEvents | None = None


class PredictionSink(Protocol):
    """Where predictions are kept."""

    def offer(self, scored: ScoredRequest) -> None:
        """Take rows that were scored, or leave them out; never waits."""

    def offer_failure(self, failed: FailedRequest) -> None:
        """Take rows that could not be scored."""

    def close(self) -> None:
        """Write what is there."""
