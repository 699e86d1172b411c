"""How what is applied does: freshness, checks, drift, and whether online equals offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from featurectl.api.base import ProjectBase, instant_of, texts_of
from featurectl.api.pages import ExplanationPage, as_page
from featurectl.api.results import ResultTable
from featurectl.monitor.checks import CheckHistory
from featurectl.monitor.drift.compare import DriftRow
from featurectl.monitor.drift.measure_drift import DriftRequest, measure_drift
from featurectl.monitor.explain_view import explain_view
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.status_report import StatusRequest, read_checks, read_status
from featurectl.monitor.verify.report import FeatureSkew, ViewSkew
from featurectl.monitor.verify.run_verify import VerifyLogRequest, VerifyStoreRequest, verify_logs, verify_views
from featurectl.operations.entity_values import entity_request
from featurectl.registry.applied import split_name
from featurectl.render.checks import check_document, render_checks
from featurectl.render.drift import drift_document
from featurectl.render.status import render_status, status_document
from featurectl.render.verify import skew_document, view_json

_MIN_ROWS: Final = 100


class WatchingMethods(ProjectBase):
    """Methods that look at the stores."""

    def status(self) -> ResultTable[FreshnessRow]:
        """Return how old each view and each source with an SLA is, and its state.

        Raises:
            CheckFailedError: nothing is applied.
            StoreError: the registry can't be read.
        """
        with self.workspace("project file") as workspace:
            report = read_status(workspace, StatusRequest(details=True))
        return ResultTable(
            report.rows, lambda row: status_document(row, report.now), partial(render_status, verbose=True)
        )

    def checks(self) -> ResultTable[CheckHistory]:
        """Return the checks of the data, with what they came to in 30 days.

        Raises:
            StoreError: the registry or the records of runs can't be read.
        """
        with self.workspace("project file") as workspace:
            return ResultTable(read_checks(workspace).checks, check_document, partial(render_checks, whole=True))

    def drift(
        self,
        model: str,
        *,
        batch: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        min_rows: int = _MIN_ROWS,
    ) -> ResultTable[DriftRow]:
        """Return how far each input of a model, and its score, have moved since its training; the worst first.

        The rows are those that were served, or of `batch`, a source or a file.

        Raises:
            UsageError: there is no such version, or it has no profile.
            DataError, StoreError: the rows can't be read.
        """
        name, which = split_name(model)
        request = DriftRequest(
            model=name,
            which=which,
            batch=batch,
            since=instant_of(since),
            until=instant_of(until),
            limits=(),
            min_rows=min_rows,
        )
        with self.workspace("project file" if batch is None else "if there") as workspace:
            return ResultTable(
                measure_drift(workspace, request, self.open_progress()).rows, _drift_row, frames=self.frames
            )

    def verify(
        self, models: str | Sequence[str] = (), *, since: datetime | str | None = None
    ) -> ResultTable[FeatureSkew]:
        """Return how many values of what was served differ from the offline tables, by input of each model.

        Raises:
            UsageError: there is no such model, or no log of its predictions.
            StoreError: a store can't be read.
        """
        request = VerifyLogRequest(models=texts_of(models), since=instant_of(since))
        with self.workspace("project file") as workspace:
            reports = verify_logs(workspace, request, self.open_progress())
        skews = [skew for report in reports.values() for skew in report.features]
        return ResultTable(skews, _skew_row, frames=self.frames)

    def verify_store(self, views: str | Sequence[str] = (), *, entities: int | None = 10_000) -> ResultTable[ViewSkew]:
        """Return how the online store differs from the offline tables as of the last push, a row a view.

        Of each view so many entities are compared, None: all.

        Raises:
            UsageError: there is no such view.
            PartsFailedError: of some views nothing could be compared.
        """
        request = VerifyStoreRequest(views=texts_of(views), entities=entities)
        with self.workspace("project file") as workspace:
            found = verify_views(workspace, request, self.open_progress())
        table = ResultTable(found.skews, view_json, frames=self.frames)
        return table.unless_failed([(failure.part, failure.error) for failure in found.failures], "views")

    def why(self, view: str, **keys: object) -> ExplanationPage:
        """Return why a view's values are as they are; with keys also those of an entity, and how it came to them.

        `"spend:count_7d"` means the view of the feature.

        Raises:
            UsageError: there is no such view, version or feature, or a word is no key of it.
            StoreError: the registry can't be read.
        """
        words = tuple(f"{key}={value}" for key, value in keys.items())
        with self.workspace("project file") as workspace:
            found = explain_view(workspace, entity_request(view, words), self.open_progress())
        return as_page(ExplanationPage, found)


def _drift_row(row: DriftRow) -> Mapping[str, object]:
    return {"model": row.model, "version": row.version, **drift_document(row)}


def _skew_row(skew: FeatureSkew) -> Mapping[str, object]:
    return {"model": skew.model, "version": skew.version, **skew_document(skew)}
