"""What a server counts, in the names and units of Prometheus; nothing holds a key of an entity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from featurectl.core.temporary_folders import temporary_folder

MULTIPROC_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # the library looks for it when a metric is made
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)

disable_created_metrics()  # a second series for each, which few read


class Metrics:
    """The metrics of one process; with several, each writes files that any of them adds up."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        self._add_requests(self._own)
        self._add_predictions(self._own)
        self._add_served(self._own)
        self._shown: set[tuple[str, str, str]] = set()
        self._aged: set[tuple[str, str]] = set()
        self._of_model: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._of_version: dict[tuple[str, int], Counter] = {}
        self._of_request: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _add_requests(self, own: CollectorRegistry) -> None:
        """Add what is counted of requests and reads of any kind."""
        self.requests = Counter(
            "featurectl_http_requests", "Requests answered.", ["route", "method", "status"], registry=own
        )
        self.seconds = Histogram(
            "featurectl_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        self.in_flight = Gauge(
            "featurectl_http_requests_in_flight", "Requests under way.", registry=own, multiprocess_mode="livesum"
        )
        self.store_seconds = Histogram(
            "featurectl_online_store_read_duration_seconds",
            "Reads of the online store, waiting included.",
            buckets=_SECONDS,
            registry=own,
        )
        self.store_errors = Counter("featurectl_online_store_errors", "Reads that failed.", registry=own)
        self.values = Counter(
            "featurectl_feature_values", "Feature values read, by why each is what it is.", ["status"], registry=own
        )

    def _add_predictions(self, own: CollectorRegistry) -> None:
        """Add what is counted of scores."""
        self.predictions = Counter("featurectl_predictions", "Rows scored.", ["model", "version"], registry=own)
        self.prediction_requests = Counter(
            "featurectl_prediction_requests",
            "Requests for scores: answered, refused, failed by the model's fault, or by the store's.",
            ["model", "result"],
            registry=own,
        )
        self.prediction_seconds = Histogram(
            "featurectl_prediction_request_duration_seconds",
            "From the first byte of a request for scores until they are there, or it is known that they won't be.",
            ["model"],
            buckets=_SECONDS,
            registry=own,
        )
        self.rejected = Counter(
            "featurectl_rejected_rows", "Rows refused by `missing:` of a model.", ["model", "reason"], registry=own
        )

    def _add_served(self, own: CollectorRegistry) -> None:
        """Add what is counted of the models and views that are served."""
        self.reloads = Counter("featurectl_reloads", "Looks at a changed registry.", ["result"], registry=own)
        self.models = Gauge(
            "featurectl_model_loaded",
            "1 for a model version that is served.",
            ["model", "version", "alias"],
            registry=own,
            multiprocess_mode="livemax",
        )
        self.view_age = Gauge(
            "featurectl_view_age_seconds",
            "From the newest row that a view's values stand on to now.",
            ["view", "version"],
            registry=own,
            multiprocess_mode="livemostrecent",
        )
        self.canary = Counter(
            "featurectl_canary_requests",
            "Requests of a running canary, by side and what came of them.",
            ["model", "version", "role", "result"],
            registry=own,
        )
        self.log_rows = Counter(
            "featurectl_prediction_log_rows", "Rows of the prediction log.", ["result"], registry=own
        )
        self._add_log(own)

    def _add_log(self, own: CollectorRegistry) -> None:
        """Add what is counted of the prediction log's room."""
        self.log_waiting_rows = Gauge(
            "featurectl_prediction_log_waiting_rows",
            "Rows that wait to be written.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.log_waiting_bytes = Gauge(
            "featurectl_prediction_log_waiting_bytes",
            "About how many bytes of memory they take.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.log_bytes = Gauge(
            "featurectl_prediction_log_bytes",
            "What the files of the log take, of all models and servers, as far as a process knows.",
            registry=own,
            multiprocess_mode="livemostrecent",
        )
        self.log_removed = Counter(
            "featurectl_prediction_log_removed_files", "Files that were too old, or too many.", registry=own
        )

    def event_counts(self) -> tuple[Counter, Counter, Histogram]:
        """Return what counts events that were taken, those that were not, and how long that took; of a new process."""
        taken = Counter(
            "featurectl_events",
            "Events sent to topics, and those of requests that were repeated.",
            ["source", "result"],
            registry=self._own,
        )
        refused = Counter("featurectl_refused_events", "Events refused.", ["source", "reason"], registry=self._own)
        seconds = Histogram(
            "featurectl_event_request_duration_seconds",
            "From the first byte of a request with events until the broker has them.",
            ["source"],
            buckets=_SECONDS,
            registry=self._own,
        )
        return taken, refused, seconds

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; there are few kinds of them, so those met are kept."""
        kind = (route, method, status)
        found = self._of_request.get(kind)
        if found is None:
            found = self.requests.labels(route, method, str(status)), self.seconds.labels(route)
            self._of_request[kind] = found
        found[0].inc()
        found[1].observe(seconds)

    def count_prediction(self, model: str, result: str, seconds: float) -> None:
        """Count a request for scores of a model."""
        found = self._of_model.get((model, result))
        if found is None:
            found = self.prediction_requests.labels(model, result), self.prediction_seconds.labels(model)
            self._of_model[model, result] = found
        found[0].inc()
        found[1].observe(seconds)

    def count_scores(self, model: str, version: int, rows: int) -> None:
        """Count rows that a version of a model has scored."""
        found = self._of_version.get((model, version))
        if found is None:
            found = self._of_version[model, version] = self.predictions.labels(model, str(version))
        found.inc(rows)

    def show_models(self, loaded: Mapping[tuple[str, str, str], int]) -> None:
        """Show which model versions are served, by model, version and alias; those shown before no more."""
        for labels in self._shown - loaded.keys():
            self.models.labels(*labels).set(0)
        for labels, found in loaded.items():
            self.models.labels(*labels).set(found)
        self._shown |= loaded.keys()

    def show_ages(self, ages: Mapping[tuple[str, str], float]) -> None:
        """Show how old views are, in seconds, by view and version; of those shown before that are not read, NaN."""
        for labels in self._aged - ages.keys():
            self.view_age.labels(*labels).set(math.nan)
        for labels, age in ages.items():
            self.view_age.labels(*labels).set(age)
        self._aged |= ages.keys()

    def text(self) -> bytes:
        """Return all metrics, of all processes of the server."""
        if MULTIPROC_VARIABLE not in os.environ:
            return generate_latest(self._own)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)


@contextmanager
def shared_metrics() -> Iterator[Path]:
    """Give a folder through which processes that are started from now on share their metrics."""
    with temporary_folder("metrics") as folder:
        os.environ[MULTIPROC_VARIABLE] = str(folder)
        yield folder


def forget_process(process: int) -> None:
    """Take a process that has ended out of what is in flight."""
    if MULTIPROC_VARIABLE in os.environ:
        mark_process_dead(process)
