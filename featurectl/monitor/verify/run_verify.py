"""Check that what was served equals the offline tables: by the prediction log, or by what the online store has now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError, StoreError, UsageError
from featurectl.core.progress import Progress
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.monitor.verify.compare_store import verify_store
from featurectl.monitor.verify.compare_stream import verify_stream
from featurectl.monitor.verify.equal import TOLERANCE
from featurectl.monitor.verify.log_rows import LogSelection
from featurectl.monitor.verify.replay_log import ReplayOptions, verify_log
from featurectl.operations.part_failure import Failure, fails_for_all
from featurectl.operations.prediction_log.log_files import open_log
from featurectl.operations.push.push_views import not_pushed
from featurectl.operations.views import choose_views
from featurectl.registry.applied import not_applied

if TYPE_CHECKING:
    from featurectl.monitor.verify.report import VerifyReport, ViewSkew
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far apart, relatively, sums and means may be (None: as far as rounding takes them), in how much memory."""

    relative: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLogRequest:
    """Models, all that have a log without any, and which rows of their logs: `sample` is a share of the requests."""

    models: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    sample: float = 1.0
    tolerance: Tolerance = Tolerance()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyStoreRequest:
    """Views, all online ones without any, and about how many entities of each (None: all)."""

    views: tuple[str, ...] = ()
    entities: int | None = None
    tolerance: Tolerance = Tolerance()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedViews:
    """What was found of each view; one that has failed did not keep the others from being compared."""

    skews: tuple[ViewSkew, ...]
    failures: tuple[Failure, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether anything differs, or none of the views was ever pushed."""
        differ = any(skew.differences or skew.future for skew in self.skews)
        return differ or bool(self.skews and not any(skew.pushed for skew in self.skews))


def verify_logs(workspace: Workspace, request: VerifyLogRequest, progress: Progress) -> Mapping[str, VerifyReport]:
    """Return, by model, how what was served differs from the tables at the same instants.

    Raises:
        UsageError: a model that is named has no log, or none has.
        StoreError: a store can't be read.
    """
    how = _how(request.tolerance, progress)
    chosen = LogSelection(since=request.since, until=request.until, sample=request.sample)
    models = _logged_models(workspace, request.models)
    return {model: verify_log(workspace, model, chosen, how) for model in dict.fromkeys(models)}


def verify_views(workspace: Workspace, request: VerifyStoreRequest, progress: Progress) -> VerifiedViews:
    """Return how what the online store has now differs from the tables as of the last push.

    Raises:
        UsageError: a view is not applied, or is offline only.
        StoreError: the registry can't be read.
    """
    how, state = _how(request.tolerance, progress), workspace.applied_state()
    found = [(item, load_untyped_view(item.definition)) for item in choose_views(state, request.views)]
    streams = {item.name for item, view in found if view.online and view.source.is_stream}
    chosen = [item for item, view in found if view.online]
    if offline := [view for _, view in found if request.views and not view.online]:
        raise not_pushed(offline[0])
    skews: list[ViewSkew] = []
    failures: list[Failure] = []
    for item in chosen:
        try:
            if item.name in streams:
                skews.append(verify_stream(workspace, item, request.entities, how))
            else:
                skews.append(verify_store(workspace, state, item, request.entities, how))
        except FeaturectlError as error:
            failures.append(Failure(part=f"{item.name}@{item.version}", error=error))
            if isinstance(error, StoreError) and fails_for_all(error):
                break
    return VerifiedViews(skews=tuple(skews), failures=tuple(failures))


def is_wrong(reports: Mapping[str, VerifyReport]) -> bool:
    """Return whether anything differs, or a log has rows of which none can be replayed."""
    return any(report.mismatched or (report.rows and not report.replayed) for report in reports.values())


def _how(tolerance: Tolerance, progress: Progress) -> ReplayOptions:
    relative = TOLERANCE if tolerance.relative is None else tolerance.relative
    return ReplayOptions(tolerance=relative, memory_bytes=tolerance.memory_bytes, progress=progress)


def _logged_models(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """Return the models that have a log; those that were named must have one: without, nothing says that it is right.

    Raises:
        UsageError: one has none, there is none, or one is not applied.
    """
    state, environment = workspace.applied_state(), workspace.environment
    for name in names:
        if state.current("model", name) is None:
            raise not_applied(state, "model", name)
    models = list(names) or sorted(o.name for o in state.objects if o.kind == "model" and o.current)
    found = [name for name in models if open_log(workspace, name).versions()]
    if found and not names:
        return found
    without = [name for name in models if name not in found]
    if without or not models:
        of = f" of model {without[0]}" if names else ""
        sample = environment.prediction_sample
        off = sample is None or sample <= 0
        hint = "prediction_log: {sample: 0.01} in featurectl.yaml lets `serve` write one" if off else "featurectl serve"
        message = f"environment {environment.name} has no prediction log{of} yet"
        raise UsageError(message, hint=f"{hint}; --store compares the online store itself")
    return found
