"""What methods return of one thing: the object itself, which reads as its command prints it, without colors.

Each class is the result of an operation with a page; a notebook draws the page with its tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from featurectl.api.wording import SpeaksPython
from featurectl.catalog.detail import ObjectDetail
from featurectl.catalog.lineage import LineageGraph
from featurectl.catalog.statistics import FeatureStatistics
from featurectl.erasure.erase import ErasureReport
from featurectl.models.input_warnings import InputWarning
from featurectl.monitor.alerts.check_alerts import is_alarming
from featurectl.monitor.alerts.evaluation_run import EvaluationRun
from featurectl.monitor.alerts.try_notifier import NotifierTrial
from featurectl.monitor.canary.lifecycle import CanaryEvaluation
from featurectl.monitor.canary.start_gated import CanaryStart
from featurectl.monitor.explain_view import ViewExplanation
from featurectl.operations.clean.clean_workspace import Cleaned
from featurectl.operations.models.diff import VersionDiff
from featurectl.operations.models.promote_to import CopiedVersion
from featurectl.operations.models.promotion import Promotion, Rollback
from featurectl.operations.models.retire import Retirement
from featurectl.operations.training.retrain import Comparison
from featurectl.plan.plan import Plan
from featurectl.registry.alert_state import Silence
from featurectl.registry.base import Lock
from featurectl.registry.state import CanaryRun, ModelVersion
from featurectl.render.alerts import render_evaluation_run, render_silence
from featurectl.render.applied import render_applied
from featurectl.render.canary import render_ended, render_evaluation, render_started
from featurectl.render.clean import render_cleaned
from featurectl.render.diff_models import diff_page
from featurectl.render.erasure import render_erasure
from featurectl.render.gates import render_gates
from featurectl.render.lineage import render_lineage
from featurectl.render.models import version_page
from featurectl.render.notifier_trial import render_trial
from featurectl.render.object_detail import object_page
from featurectl.render.page import Page, page_for_reading, page_html, reworded
from featurectl.render.plan import render_plan
from featurectl.render.promotion import copy_page, promotion_page, render_rollback
from featurectl.render.retirement import render_retirement
from featurectl.render.retrained import render_comparison
from featurectl.render.screen import screen_width
from featurectl.render.statistics import statistics_page
from featurectl.render.trained import trained_page
from featurectl.render.why import explanation_page

if TYPE_CHECKING:
    from featurectl.operations.models.versions import Aliases

_WIDTH: Final = 100  # where no terminal has one
PageT = TypeVar("PageT", bound="ReadsAsPage")


class ReadsAsPage(SpeaksPython):
    """Something that reads as a page, in a terminal and in a notebook; options in it are those of `_method`."""

    __slots__ = ()
    _method: ClassVar[str] = ""

    def _page(self) -> Page:
        raise NotImplementedError

    def _said(self, text: str) -> str:
        return self._in_python(text, self._method)

    def __repr__(self) -> str:
        return page_for_reading(reworded(self._page(), self._said), screen_width() or _WIDTH)

    def _repr_html_(self) -> str:
        return page_html(reworded(self._page(), self._said))


def as_page(kind: type[PageT], found: Any, **more: object) -> PageT:
    """Return a result, a dataclass, as the class of the same fields that reads as a page; `more` are its own fields."""
    return kind(**{each.name: getattr(found, each.name) for each in fields(found)}, **more)


class ObjectPage(ReadsAsPage, ObjectDetail):
    """All of one object."""

    __slots__ = ()

    def _page(self) -> Page:
        return object_page(self)


class LineagePage(ReadsAsPage, LineageGraph):
    """What an object is made of and what is made of it."""

    __slots__ = ()

    def _page(self) -> Page:
        return [[render_lineage(self)]]


class StatisticsPage(ReadsAsPage, FeatureStatistics):
    """How the values of a feature lie."""

    __slots__ = ()

    def _page(self) -> Page:
        return [[self.feature], *statistics_page(self)]


class ExplanationPage(ReadsAsPage, ViewExplanation):
    """Why a view's values are as they are."""

    __slots__ = ()

    def _page(self) -> Page:
        return explanation_page(self)


class PlanPage(ReadsAsPage, Plan):
    """What `apply` would change."""

    __slots__ = ()
    _method = "apply"

    def _page(self) -> Page:
        return [[render_plan(self.to_json())]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AppliedPage(PlanPage):
    """What `apply` has changed; `new_serial` is the registry's after it."""

    new_serial: int

    def _page(self) -> Page:
        return [[render_plan(self.to_json())], [render_applied(self, self.new_serial)]]


class DiffPage(ReadsAsPage, VersionDiff):
    """Two versions of models side by side."""

    __slots__ = ()

    def _page(self) -> Page:
        return diff_page(self)


class PromotionPage(ReadsAsPage, Promotion):
    """What became of a version that was to be the champion."""

    __slots__ = ()
    _method = "models.promote"

    def _page(self) -> Page:
        return promotion_page(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CopyPage(ReadsAsPage, CopiedVersion):
    """What became of a version of environment `there` in environment `env`."""

    there: str
    env: str

    def _page(self) -> Page:
        return copy_page(self, self.there, self.env)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VersionPage(ReadsAsPage, ModelVersion):
    """A version of a model; `aliases` are those of the registry when it was read, by model and alias."""

    aliases: Aliases = field(default_factory=dict)

    def _page(self) -> Page:
        return version_page(self, self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrainedPage(VersionPage):
    """A version that was trained just now; `warnings` are what is odd in the rows that it was trained on.

    `is_new` False: it was there, made of equal data, code and parameters.
    """

    warnings: tuple[InputWarning, ...] = ()
    is_new: bool = True

    def _page(self) -> Page:
        return trained_page(self, self.aliases, self.warnings, is_same=not self.is_new)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RollbackPage(ReadsAsPage, Rollback):
    """Which version of `model` is the champion again."""

    model: str

    def _page(self) -> Page:
        return [[render_rollback(self.model, self)]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetirementPage(ReadsAsPage, Retirement):
    """Which versions were retired, or would be: `dry_run`."""

    dry_run: bool

    def _page(self) -> Page:
        return [[render_retirement(self, dry_run=self.dry_run)]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetrainedPage(TrainedPage):
    """A version that was trained once more: `again` is what it was, `comparison` how far they are the same.

    Unless it `is_registered` it has the number of a version that there is not.
    """

    again: ModelVersion
    comparison: Comparison
    is_registered: bool

    def _page(self) -> Page:
        compared = [render_comparison(self.again, self.comparison)]
        return [compared, *(trained_page(self, self.aliases, self.warnings) if self.is_registered else [])]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CleanedPage(ReadsAsPage, Cleaned):
    """What was removed, or would be: `dry_run`."""

    dry_run: bool

    def _page(self) -> Page:
        return [[render_cleaned(self, dry_run=self.dry_run)]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ErasurePage(ReadsAsPage, ErasureReport):
    """What was removed of an entity's key, or would be: `dry_run`."""

    dry_run: bool

    def _page(self) -> Page:
        return [[render_erasure(self, dry_run=self.dry_run)]]


class LockPage(ReadsAsPage, Lock):
    """A lock of the project that is gone."""

    __slots__ = ()

    def _page(self) -> Page:
        return [[f"Removed lock {self.id}, held by {self.holder}."]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AlertCheckPage(ReadsAsPage, EvaluationRun):
    """What one look at the alerts has found and sent, or would send: `dry_run`."""

    dry_run: bool

    @property
    def is_alarming(self) -> bool:
        """Whether an alert of severity warning or critical fires, and is not silenced."""
        return any(is_alarming(item) for item in self.evaluations)

    def _page(self) -> Page:
        return [[render_evaluation_run(self, dry=self.dry_run)]]


class SilencePage(ReadsAsPage, Silence):
    """Alerts of which nobody is notified for a while."""

    __slots__ = ()

    def _page(self) -> Page:
        return [[render_silence(self)]]


class NotifierTrialPage(ReadsAsPage, NotifierTrial):
    """What a test message came to; it stands there as it was sent."""

    __slots__ = ()

    def _said(self, text: str) -> str:
        return text

    def _page(self) -> Page:
        return [[render_trial(self)]]


class CanaryStartPage(ReadsAsPage, CanaryStart):
    """What the gates found, and the canary that has begun, if one has."""

    __slots__ = ()

    def _page(self) -> Page:
        if self.champion is not None:
            return [[f"version {self.champion} is the champion already: it needs no canary."]]
        if self.run is None:
            return [[render_gates(self.failed)]]
        return [[render_started(self.run) if self.run.state == "running" else render_ended(self.run)]]


class CanaryPage(ReadsAsPage, CanaryEvaluation):
    """A canary with the figures and the verdict of a look."""

    __slots__ = ()

    def _page(self) -> Page:
        return [[render_evaluation(self)]]


class EndedCanaryPage(ReadsAsPage, CanaryRun):
    """How a canary has ended."""

    __slots__ = ()

    def _page(self) -> Page:
        return [[render_ended(self)]]
