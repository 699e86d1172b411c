"""What a worker asks of who predicts its events.

A worker offers events when they are in the lists of all views, and logs an event when it was settled: there is a
prediction that is where it was to go, or it is known that there will be none. So events that were offered and not
settled when a worker died are taken, and offered, again. Lists that are made anew are made of the log: while
predictions wait for them the log goes on, and says from which offset on events may lack theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from featurectl.core.errors import FeaturectlError
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.read_events import RejectedEvent
from featurectl.streaming.topics.base import MessageBatch
from featurectl.streaming.view_records import StampedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurectl.language.definitions.source import Source
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedBatch:
    """Messages of a partition, and those of their events that are to be predicted, in the order of offsets.

    Lists have them all. `name` is what the log calls the partition, `decoder` says where the columns of an event are.
    """

    name: str
    messages: MessageBatch
    events: Sequence[StampedEvent]
    decoder: EventDecoder


class SettledBatch(NamedTuple):
    """A partition is settled before `end`; `unscored` are events that have no prediction and count as rejected."""

    partition: int
    end: int
    unscored: Sequence[RejectedEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionCounts:
    """What was done for a model since a process began: predictions by their result, and how long they took.

    Results are `answered`, `failed` (by the model's fault), `refused` (by the model's `missing`), `too_old` (none was
    made), `too_large` (one was made, and where it was to go takes none so large) and `left_out` (by `where`). `early`
    of those that were answered were made before all that was known at their stamp could be read. `latency_s` has how
    many predictions were made within so many seconds of their event's stamp.
    """

    model: str
    results: Mapping[str, int] = field(default_factory=dict)
    early: int = 0
    latency_s: Mapping[float, int] = field(default_factory=dict)
    latency_sum_s: float = 0.0
    waiting: int = 0
    problem: str = ""

    def within_s(self, share: float) -> float | None:
        """Return the least bound of `latency_s` within which a share of the predictions was made; None without any.

        >>> PredictionCounts(model="m", latency_s={0.1: 98, 1.0: 100}).within_s(0.99)
        1.0
        """
        total = max(self.latency_s.values(), default=0)
        bounds = (bound for bound, count in sorted(self.latency_s.items()) if count >= share * total)
        return next(bounds) if total else None


class EventPredictor(Protocol):
    """Predicts the events of one source, for one worker; of one thread, but for `counts`."""

    def offer(self, batch: OfferedBatch) -> None:
        """Take events that are to be predicted."""

    def step(self, *, is_last: bool = False) -> Sequence[SettledBatch]:
        """Predict some of what can be predicted now, and return what is settled by it.

        `is_last`: no other step comes, so that predictions that wait to be written with others are written.

        What keeps it from doing so is in `counts`: a store, a broker or a model that can't be had for a while
        raises nothing, and is tried again.
        """

    def forget(self, partition: int) -> None:
        """Let go what was offered of a partition: it begins anew, or another worker has it."""

    @property
    def is_waiting(self) -> bool:
        """Whether events wait for a prediction that can be made now."""

    @property
    def waiting(self) -> int:
        """How many events wait for a prediction."""

    @property
    def is_settled(self) -> bool:
        """Whether all that was offered is settled."""

    @property
    def is_blocked(self) -> bool:
        """Whether predictions wait for lists, which may be made of the log alone: it can't wait for predictions."""

    @property
    def problem(self) -> FeaturectlError | None:
        """Why predictions can't be made now; None: they are."""

    def counts(self) -> Sequence[PredictionCounts]:
        """Return what was done so far, by model; of any thread."""

    def close(self) -> None:
        """Give back what is held; what was not settled is predicted by whoever takes it next."""


class PredictorFactory(Protocol):
    """Makes who predicts the events of a source; it goes to other processes, so that it can be pickled."""

    def __call__(self, workspace: Workspace, source: Source, say: Callable[[str], None]) -> EventPredictor:
        """Return who predicts the events of a source by the models that are applied, now and later."""


class NoPredictor:
    """Settles all that is offered at once."""

    def __init__(self) -> None:
        self._settled: list[SettledBatch] = []

    def offer(self, batch: OfferedBatch) -> None:
        """Settle it."""
        self._settled.append(SettledBatch(batch.messages.partition, batch.messages.end, ()))

    def step(self, *, is_last: bool = False) -> Sequence[SettledBatch]:  # noqa: ARG002 (nothing waits)
        """Return what was offered."""
        settled, self._settled = self._settled, []
        return settled

    def forget(self, partition: int) -> None:
        """Let go a partition."""
        self._settled = [each for each in self._settled if each.partition != partition]

    @property
    def is_waiting(self) -> bool:
        """Nothing waits."""
        return False

    @property
    def waiting(self) -> int:
        """Nothing waits."""
        return 0

    @property
    def is_settled(self) -> bool:
        """Whether the last step is over."""
        return not self._settled

    @property
    def is_blocked(self) -> bool:
        """Nothing is waited for."""
        return False

    @property
    def problem(self) -> FeaturectlError | None:
        """There is none."""
        return None

    def counts(self) -> Sequence[PredictionCounts]:
        """Return that nothing is predicted."""
        return ()

    def close(self) -> None:
        """Hold nothing."""


def united_counts(counts: Iterable[PredictionCounts]) -> list[PredictionCounts]:
    """Return the counts of several processes as one for each model, by name.

    >>> [one] = united_counts([PredictionCounts(model="m", early=1), PredictionCounts(model="m", early=2, problem="x")])
    >>> one.early, one.problem
    (3, 'x')
    """
    by_model: dict[str, list[PredictionCounts]] = {}
    for each in counts:
        by_model.setdefault(each.model, []).append(each)
    return [_united(name, found) for name, found in sorted(by_model.items())]


def _united(model: str, counts: Sequence[PredictionCounts]) -> PredictionCounts:
    return PredictionCounts(
        model=model,
        results=dict(sum((Counter(each.results) for each in counts), Counter[str]())),
        early=sum(each.early for each in counts),
        latency_s=dict(sum((Counter(each.latency_s) for each in counts), Counter[float]())),
        latency_sum_s=sum(each.latency_sum_s for each in counts),
        waiting=sum(each.waiting for each in counts),
        problem=next((each.problem for each in counts if each.problem), ""),
    )
