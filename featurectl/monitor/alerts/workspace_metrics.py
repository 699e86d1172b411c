"""What alerts look at, in the stores of a workspace; each figure is measured once in a look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import moved_by
from featurectl.engines.all_engines import open_engine
from featurectl.identity.lineage import views_of_model
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.source import Source
from featurectl.monitor.alerts import data_metrics
from featurectl.monitor.alerts.measure import WINDOWS_US, ViewAge
from featurectl.monitor.alerts.observation import Observation, RootCause
from featurectl.monitor.alerts.pipeline_runs import failures_of, pipelines_of
from featurectl.monitor.alerts.request_rows import Requests, RequestWindow, read_requests
from featurectl.monitor.alerts.stream_lags import stream_lag
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.health import recorded_runs, served_view
from featurectl.monitor.status import ServedView, freshness_of_source, freshness_of_views
from featurectl.monitor.why import Records, find_first_cause, look_at_chain
from featurectl.offline.pipeline_records import PipelineRecords
from featurectl.offline.runs import RunRecord
from featurectl.operations.prediction_log.log_files import open_log, require_sample
from featurectl.registry.applied import served_views
from featurectl.registry.state import CHAMPION, State
from featurectl.streaming.session.applied_streams import applied_streams
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.monitor.drift.compare import DriftRow

K = TypeVar("K")
T = TypeVar("T")

_RECENT: Final = timedelta(microseconds=WINDOWS_US["checks"])
_TICK: Final = timedelta(microseconds=1)
_MEASURED: Final = "which this is measured by"


class MeasuredOnce(Generic[K, T]):
    """What is measured once in a look, and given to every alert that asks; so is why it can't be."""

    def __init__(self) -> None:
        self._found: dict[K, T | FeaturectlError] = {}

    def get(self, key: K, measure: Callable[[], T]) -> T:
        """Return what is measured, or raise what measuring it raised."""
        if key not in self._found:
            try:
                self._found[key] = measure()
            except FeaturectlError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, FeaturectlError):
            raise found
        return found


def _half_open(window: RequestWindow) -> tuple[datetime, datetime]:
    """Return a window for those who count its beginning and not its end: what is served at now counts."""
    return moved_by(window.since, _TICK), moved_by(window.until, _TICK)


class WorkspaceMetrics:
    """What alerts look at, in the stores of a workspace at its instant."""

    def __init__(self, workspace: Workspace, state: State) -> None:
        self.environment = workspace.environment.name
        self.now = workspace.now
        self._workspace = workspace
        self._state = state
        self._requests: MeasuredOnce[tuple[str, RequestWindow], Requests] = MeasuredOnce()
        self._drift: MeasuredOnce[tuple[str, RequestWindow], Sequence[DriftRow]] = MeasuredOnce()
        self._skew: MeasuredOnce[tuple[str, RequestWindow], Sequence[data_metrics.FeatureFigure]] = MeasuredOnce()
        self._records: MeasuredOnce[timedelta, Sequence[RunRecord]] = MeasuredOnce()
        self._rows: MeasuredOnce[tuple[str, int], FreshnessRow] = MeasuredOnce()
        self._sources: MeasuredOnce[str, FreshnessRow] = MeasuredOnce()
        self._lags: MeasuredOnce[str, Observation] = MeasuredOnce()

    def views(self) -> Sequence[tuple[str, int]]:
        """Return every view version that is served."""
        return list(self._served)

    def readers(self) -> Mapping[str, frozenset[str]]:
        """Return the views that each model reads."""
        models = [load_model(o.definition) for o in self._state.objects if o.kind == "model" and o.current]
        return {model.name: views_of_model(model) for model in sorted(models, key=lambda model: model.name)}

    def champions(self) -> Collection[str]:
        """Return the models that have a champion."""
        return {model for model, alias in self._state.aliases if alias == CHAMPION}

    def ages(self, views: Sequence[tuple[str, int]]) -> Sequence[ViewAge]:
        """Return how old view versions are."""

        def row_of(pair: tuple[str, int]) -> FreshnessRow:
            return freshness_of_views([self._served[pair]], self._workspace.online, self.now)[0]

        return [_aged(self._rows.get(pair, partial(row_of, pair)), self._served[pair]) for pair in views]

    def behind(self, aged: ViewAge) -> RootCause:
        """Return why a view is as old as it is, as `featurectl why` tells it: what broke first on the way to it."""
        served = self._served[aged.view, aged.version]
        try:
            runs = self._runs(_RECENT)
        except FeaturectlError:  # what else is known tells something, too
            runs = ()
        records = Records(state=self._state, runs=runs)

        def row_of(source: Source) -> FreshnessRow:
            engine = open_engine(self._workspace.environment)
            measure = partial(freshness_of_source, source, self._workspace.source, engine, self.now)
            return self._sources.get(source.name, measure)

        chain = look_at_chain(served, row_of, self._workspace.online, records, self.now)
        late = chain if chain.row.verdict == "ERROR" else replace(chain, row=replace(chain.row, verdict="STALE"))
        first = find_first_cause(late)  # an alert may ask for more than the SLA does
        if first is None or not first.source:
            return RootCause(name=aged.subject, text="" if first is None else first.text)
        return RootCause(name=f"source:{first.source}", text=first.text)

    def requests(self, model: str, window: RequestWindow) -> Requests:
        """Return the logged requests for a model.

        Raises:
            UsageError: the environment keeps no predictions.
            StoreError: they can't be read.
        """
        sample = require_sample(self._workspace.environment, _MEASURED)
        log, moved = open_log(self._workspace, model), self._workspace.clock is None
        return self._requests.get((model, window), partial(read_requests, log, window, sample, moved=moved))

    def drift(self, model: str, metric: str, window: RequestWindow) -> Sequence[data_metrics.FeatureFigure]:
        """Return how far each feature that was served lies from the training."""
        measure = partial(data_metrics.drift_of, self._workspace, model, *_half_open(window))
        return [data_metrics.drifted(row, metric) for row in self._drift.get((model, window), measure)]

    def skew(self, model: str, window: RequestWindow) -> Sequence[data_metrics.FeatureFigure]:
        """Return the share of the served values of each feature that differ from the offline ones."""
        require_sample(self._workspace.environment, _MEASURED)
        measure = partial(data_metrics.skew_of, self._workspace, model, *_half_open(window))
        return self._skew.get((model, window), measure)

    def checks(self, since: datetime) -> Sequence[data_metrics.FailureCount]:
        """Return what the checks of each view version found at their last run.

        Raises:
            StoreError: the records of runs can't be read.
        """
        runs = _ended(self._runs(max(self.now - since, _RECENT)), since)
        return data_metrics.failed_checks(self._served.values(), runs, self.now)

    def runs(self, since: datetime) -> Sequence[data_metrics.FailureCount]:
        """Return how many runs of each view version failed.

        Raises:
            StoreError: the records of runs can't be read.
        """
        return data_metrics.failed_runs(
            self._served.values(), _ended(self._runs(max(self.now - since, _RECENT)), since)
        )

    def pipeline_failures(self, patterns: Sequence[str]) -> Mapping[str, Callable[[datetime], tuple[int, str] | None]]:
        """Return what counts the runs of each applied pipeline that failed; each raises StoreError.

        Runs end by the clock: where the now of the environment stands still, those up to the real now are counted.
        """
        place = self._workspace
        stands_still = place.as_of is None and place.environment.now is not None
        behind = datetime.now(UTC) - self.now if stands_still else timedelta(0)
        records = PipelineRecords(
            location=place.offline_location(), project=place.project, environment=self.environment
        )
        names = pipelines_of(self._state, tuple(patterns))

        def count(name: str, since: datetime) -> tuple[int, str] | None:
            return failures_of(records, name, since + behind, self.now + behind)

        return {name: partial(count, name) for name in names}

    def stream_lags(self, views: Sequence[str]) -> Mapping[str, Callable[[], Observation]]:
        """Return what measures each stream that some views read, by the names of the sources.

        Each raises StoreError where the broker or the store can't be used.
        """
        streams = applied_streams(self._state)
        read = {of.view.source.name for (name, _), of in self._served.items() if name in views}
        measures = {
            name: partial(stream_lag, self._workspace, self._state, streams[name])
            for name in sorted(read & set(streams))
        }
        return {name: partial(self._lags.get, name, measure) for name, measure in measures.items()}

    @cached_property
    def _served(self) -> Mapping[tuple[str, int], ServedView]:
        found = {}
        for item in served_views(self._state):
            found[item.name, item.version] = served_view(self._workspace, item)
        return found

    def _runs(self, back: timedelta) -> Sequence[RunRecord]:
        return self._records.get(back, partial(recorded_runs, self._workspace, back, unended=True))


def _ended(runs: Sequence[RunRecord], since: datetime) -> list[RunRecord]:
    """Return the runs that ended, of those as of later than an instant."""
    return [run for run in runs if run.now > since and run.state == "ended"]


def _aged(row: FreshnessRow, served: ServedView) -> ViewAge:
    return ViewAge(
        view=row.name,
        version=row.version or 0,
        age_us=row.age_us,
        error=row.error,
        freshness=served.view.freshness,
        own_freshness=served.view.own_freshness,
    )
