"""Predicts the events of a source by all models that are to: an event is settled when the last of them has done so."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import FeaturectlError, StoreError, UsageError
from featurectl.language.definitions.source import Source
from featurectl.online.client.push_cache import Pushes
from featurectl.online.stream_state.base import StreamSource
from featurectl.predicting.followed_models import JUDGE_S, FollowedModels, PredictingModel
from featurectl.predicting.model_predictor import ModelPredictor, PredictorSetting
from featurectl.predicting.prediction_queue import WaitingBatch
from featurectl.predicting.rows_answered import EventReads
from featurectl.serving.log.records import PredictionSink
from featurectl.streaming.predictions import OfferedBatch, PredictionCounts, SettledBatch
from featurectl.streaming.read_events import RejectedEvent
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.online.base import OnlineStore
    from featurectl.online.stream_state.protocols import StreamState

_BUDGET_S: Final = 0.05  # of a turn of the worker
_POLLED_S: Final = 0.002
_NOT_ONLINE: Final = "FC550"


@dataclass(slots=True, kw_only=True)
class _OpenBatch:
    """A batch that waits for some models; None: it is not known yet for which."""

    batch: OfferedBatch
    models: set[str] | None = None
    unscored: list[RejectedEvent] = field(default_factory=list)


class StreamPredictor:
    """Predicts the events of one source; of one thread, but for `counts`."""

    def __init__(
        self, workspace: Workspace, source: Source, models: FollowedModels, say: Callable[[str], None]
    ) -> None:
        assert source.stream is not None
        self._workspace, self._followed, self._say = workspace, models, say
        env = workspace.environment.name
        self._topic = source.stream.topic
        self._place = StreamSource(project=workspace.project, env=env, source=source.name)
        self._open: dict[int, deque[_OpenBatch]] = {}  # by partition
        self._by_batch: dict[int, _OpenBatch] = {}  # the same, by the identities of what was offered
        self._models: dict[str, ModelPredictor] = {}
        self._taken_up: object = None
        self._store: OnlineStore | None = None
        self._streams: StreamState | None = None
        self._log: PredictionSink | None = None
        self._setting: PredictorSetting | None = None
        self._polled: dict[StreamSource, tuple[float, int]] = {}
        models.start()

    def offer(self, batch: OfferedBatch) -> None:
        """Take events that are to be predicted."""
        opened = self._by_batch[id(batch)] = _OpenBatch(batch=batch)
        self._open.setdefault(batch.messages.partition, deque()).append(opened)
        if self._taken_up is not None:
            self._offer(opened)

    def _offer(self, opened: _OpenBatch) -> None:
        opened.models = {*self._models}
        for model in self._models.values():
            model.offer(opened.batch)

    def step(self, *, is_last: bool = False) -> Sequence[SettledBatch]:
        """Predict for some milliseconds, and return what is settled."""
        self._take_up()
        until_s = time.monotonic() + _BUDGET_S
        while self._step_all(is_last=is_last) and time.monotonic() < until_s:
            continue
        return self._settled()

    def _step_all(self, *, is_last: bool) -> bool:
        """Have each model predict some events; return whether there is more to do now."""
        more = False
        for model in self._models.values():
            done = model.step(partial(self._asof_us, model), is_last=is_last)
            for of in done:
                self._settle(model.name, of)
            more |= model.goes_on and model.is_waiting
        return more

    def _settle(self, model: str, of: WaitingBatch) -> None:
        opened = self._by_batch.get(id(of.batch))
        if opened is not None and opened.models is not None:
            opened.models.discard(model)
            opened.unscored += of.unscored

    def _settled(self) -> list[SettledBatch]:
        settled = []
        for partition, waiting in self._open.items():
            while waiting and waiting[0].models is not None and not waiting[0].models:
                opened = waiting.popleft()
                del self._by_batch[id(opened.batch)]
                settled.append(SettledBatch(partition, opened.batch.messages.end, sorted(opened.unscored)))
        return settled

    def _take_up(self) -> None:
        """Go on by the models as they are known now."""
        current = self._followed.current
        if current is None or current is self._taken_up:
            return
        new = {name: model for name, model in current.models.items() if name not in self._models}
        made = {name: ModelPredictor(self._shared(), model) for name, model in new.items()}
        for name in [name for name in self._models if name not in current.models]:
            self._drop(name)
        for name, predictor in self._models.items():
            predictor.model = current.models[name]
        self._models |= made
        self._taken_up = current
        for opened in [opened for waiting in self._open.values() for opened in waiting if opened.models is None]:
            self._offer(opened)

    def _drop(self, name: str) -> None:
        """Predict by a model no more: nothing waits for it."""
        self._models.pop(name).close()
        for waiting in self._open.values():
            for opened in waiting:
                if opened.models is not None:
                    opened.models.discard(name)

    def _shared(self) -> PredictorSetting:
        if self._setting is None:
            self._store, self._streams = self._workspace.online_handle(), self._workspace.stream_state()
            streams = self._streams
            reads = EventReads(store=self._store, streams=lambda: streams, pushes=Pushes())
            self._log = _open_log(self._workspace, self._say)
            self._setting = PredictorSetting(workspace=self._workspace, topic=self._topic, reads=reads, log=self._log)
        return self._setting

    def _asof_us(self, model: ModelPredictor) -> int:
        """Return up to when all events are in what a model reads, and in the views of the events themselves."""
        return min(self._polled_asof(source) for source in _sources(model.model) | {self._place})

    def _polled_asof(self, source: StreamSource) -> int:
        now_s = time.monotonic()
        at_s, asof_us = self._polled.get(source, (0.0, 0))
        if now_s - at_s >= _POLLED_S:
            assert self._streams is not None
            asof_us = self._streams.read_poll(source).asof
            self._polled[source] = now_s, asof_us
        if not asof_us:
            raise StoreError(f"nothing is known to be in the lists of source {source.source}", code=_NOT_ONLINE)
        return asof_us

    def forget(self, partition: int) -> None:
        """Let go what was offered of a partition."""
        for opened in self._open.pop(partition, ()):
            del self._by_batch[id(opened.batch)]
        for model in self._models.values():
            model.forget(partition)

    @property
    def is_waiting(self) -> bool:
        """Whether events wait for a prediction that could be made now."""
        return any(model.is_waiting for model in self._models.values())

    @property
    def waiting(self) -> int:
        """How many events wait for a prediction, those twice that wait for two."""
        return sum(model.waiting for model in self._models.values())

    @property
    def is_settled(self) -> bool:
        """Whether all that was offered is settled."""
        return not any(self._open.values())

    @property
    def is_blocked(self) -> bool:
        """Whether a model waits for lists that workers make."""
        return any(error is not None and error.code == _NOT_ONLINE for error in self._errors())

    @property
    def problem(self) -> FeaturectlError | None:
        """Why a model does not predict, the first of several, or why it is not known which do."""
        if self._followed.current is None:
            return StoreError(self._followed.problem or "models are being loaded")
        return next((error for error in self._errors() if error is not None), None)

    def _errors(self) -> Iterator[FeaturectlError | None]:
        return (model.error for model in self._models.values())

    def counts(self) -> Sequence[PredictionCounts]:
        """Return what was done so far, by model."""
        counts = [model.counts() for model in list(self._models.values())]
        if self._followed.current is None:
            why = self._followed.problem or "models are being loaded"
            counts.append(PredictionCounts(model="", problem=f"which models predict events is not known: {why}"))
        return counts

    def close(self) -> None:
        """Write the log, and give everything back."""
        self._followed.close()
        for model in self._models.values():
            model.close()
        if self._log is not None:
            self._log.close()
        if self._streams is not None:
            self._streams.close()
        if self._store is not None:
            self._store.close()


def _sources(model: PredictingModel) -> set[StreamSource]:
    """Return the streams whose views a model reads, its challenger's too."""
    versions = [] if model.model is None else [model.model]
    versions += [] if model.canary is None else [model.canary.challenger]
    return {
        StreamSource(project=view.online.project, env=view.online.env, source=view.view.source.name)
        for version in versions
        for view in version.reader.features.views
        if view.view.source.is_stream
    }


def _open_log(workspace: Workspace, say: Callable[[str], None]) -> PredictionSink | None:
    """Return the prediction log of the environment, None where it keeps none.

    Raises:
        UsageError: what it needs is not installed.
    """
    try:
        from featurectl.serving.journal import Journal
        from featurectl.serving.log.parquet import ParquetLog
        from featurectl.serving.log.policy import log_policy
        from featurectl.serving.metrics import Metrics
    except ModuleNotFoundError as error:
        message = f"predictions on events need {error.name}, which is not installed"
        raise UsageError(message, hint="pip install 'featurectl[serve]'") from error

    policy = log_policy(workspace, JUDGE_S)
    return None if policy is None else ParquetLog(policy, Metrics(), Journal(write=say))
