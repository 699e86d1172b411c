"""Canaries of a repository: begun, looked at, judged, ended by hand. Their clock is the real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from featurectl.core.errors import UsageError
from featurectl.language.definitions.json_form import load_model
from featurectl.monitor.canary.decide import CanaryDecision, moved_champion, write_decision
from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.canary.verdict import CanaryVerdict, judge_figures
from featurectl.registry.applied import choose_usable, not_applied
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import CHAMPION, CanaryRun, State
from featurectl.workspace.actor import caller, current_actor

if TYPE_CHECKING:
    from featurectl.language.definitions.gates import Canary
    from featurectl.language.repo import Environment
    from featurectl.monitor.canary.log import CanaryLog
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryEvaluation:
    """A canary as it is after a look, with the figures and the verdict of that look."""

    run: CanaryRun
    figures: Figures
    verdict: CanaryVerdict


def keeps_log(environment: Environment) -> bool:
    """Return whether the predictions of an environment are kept: without them nobody could judge."""
    return (environment.prediction_sample or 0) > 0


def running_canaries(workspace: Workspace, state: State) -> list[CanaryRun]:
    """Return the running canaries of the environment, where it keeps predictions to judge them by."""
    here = [run for run in state.canaries if run.environment == workspace.environment.name]
    return [run for run in here if run.state == "running"] if keeps_log(workspace.environment) else []


def open_log(workspace: Workspace, run: CanaryRun) -> CanaryLog:
    """Return the prediction log of a canary.

    Raises:
        UsageError: the environment keeps no predictions, or another environment serves the canary.
        StoreError: the log can't be read.
    """
    from featurectl.monitor.canary.log import CanaryLog
    from featurectl.operations.erased_rows.erased_predictions import may_be_erased
    from featurectl.operations.prediction_log import log_files

    environment = workspace.environment.name
    if run.environment != environment:
        message = f"the canary of model {run.model} is served by environment {run.environment}, not {environment}"
        raise UsageError(message, hint=f"--env {run.environment}")
    _require_log(workspace.environment)
    return CanaryLog(log_files.open_log(workspace, run.model), run, may_be_erased(workspace, run.model))


def look_at(run: CanaryRun, log: CanaryLog, now: datetime | None = None) -> CanaryEvaluation:
    """Return the figures of a canary so far, and what they say by now, or by the clock; nothing is decided.

    Raises:
        StoreError: the prediction log can't be read.
    """
    figures = log.figures()
    return CanaryEvaluation(run=run, figures=figures, verdict=judge_figures(run, figures, now or datetime.now(UTC)))


def judge_now(
    workspace: Workspace, run: CanaryRun, log: CanaryLog, command: str, failures: Mapping[str, str] | None = None
) -> CanaryEvaluation:
    """Judge a running canary, end it where that is due, and return it as it is then.

    `failures` says of which versions ("late@2") nobody could be made to score, and why. A canary whose champion is
    another by now is aborted.

    Raises:
        StoreError: the prediction log or the registry can't be read.
    """
    return judge_seen(workspace, look_at(run, log), command, failures)


def judge_seen(
    workspace: Workspace, seen: CanaryEvaluation, command: str, failures: Mapping[str, str] | None = None
) -> CanaryEvaluation:
    """End a running canary where that is due by what a look has found, as `judge_now` does.

    Raises:
        StoreError: the registry can't be read.
    """
    run = seen.run
    moved = moved_champion(run, workspace.state().aliases)
    failure = (failures or {}).get(f"{run.model}@{run.challenger}")
    verdict = seen.verdict
    if moved:
        verdict = CanaryVerdict(state="aborted", reason=moved, criteria=verdict.criteria)
    elif failure:
        verdict = CanaryVerdict(state="rolled_back", reason=f"it can't be served: {failure}", criteria=verdict.criteria)
    if verdict.state == "running":
        return seen
    return _ended(workspace, CanaryEvaluation(run=run, figures=seen.figures, verdict=verdict), command)


def end_canary(
    workspace: Workspace, run: CanaryRun, to: Literal["promoted", "aborted"], command: str
) -> CanaryEvaluation:
    """Promote or abort a running canary, whatever its figures say.

    Raises:
        StoreError: the prediction log or the registry can't be read.
    """
    seen = look_at(run, open_log(workspace, run))
    verdict = CanaryVerdict(state=to, reason=f"by {caller()}", criteria=seen.verdict.criteria)
    return _ended(workspace, CanaryEvaluation(run=run, figures=seen.figures, verdict=verdict), command)


def give_up(workspace: Workspace, seen: CanaryEvaluation, reason: str, command: str) -> CanaryEvaluation:
    """Abort a canary that a look has found running.

    Raises:
        StoreError: the registry can't be read.
    """
    verdict = CanaryVerdict(state="aborted", reason=reason, criteria=seen.verdict.criteria)
    return _ended(workspace, CanaryEvaluation(run=seen.run, figures=seen.figures, verdict=verdict), command)


def _ended(workspace: Workspace, judged: CanaryEvaluation, command: str) -> CanaryEvaluation:
    """Write the end of a canary; where another judge was faster, it is as that one has written."""
    decision = CanaryDecision(run=judged.run, verdict=judged.verdict, figures=judged.figures)
    written = write_decision(workspace, decision, current_actor(workspace.root), command)
    ended = written or last_canary(workspace.state(), judged.run.model)
    assert ended is not None
    return CanaryEvaluation(run=ended, figures=judged.figures, verdict=judged.verdict)


def evaluate_last(
    workspace: Workspace, model: str, *, judge: bool, command: str
) -> CanaryEvaluation | CanaryRun | None:
    """Return how the newest canary of a model does, or has ended; None: it had none. With `judge` it may end now.

    Raises:
        UsageError: there is no such model.
        StoreError: the prediction log or the registry can't be read.
    """
    state = workspace.applied_state()
    run = last_canary(state, model)
    if run is None and state.current("model", model) is None:
        raise not_applied(state, "model", model)
    if run is None or run.state != "running":
        return run
    log = open_log(workspace, run)
    return judge_now(workspace, run, log, command) if judge else look_at(run, log)


def end_running(workspace: Workspace, model: str, to: Literal["promoted", "aborted"], command: str) -> CanaryEvaluation:
    """Promote or abort the running canary of a model.

    Raises:
        UsageError: it has none, or the canary has ended otherwise meanwhile.
        StoreError: the prediction log or the registry can't be read.
    """
    run = require_running(workspace.applied_state(), model)
    judged = end_canary(workspace, run, to, command)
    if judged.run.state != to:
        raise UsageError(f"the canary of model {model} was {judged.run.state.replace('_', ' ')}: {judged.run.reason}")
    return judged


def last_canary(state: State, model: str) -> CanaryRun | None:
    """Return the newest canary of a model, running or not; None when it never had one."""
    runs = [run for run in state.canaries if run.model == model]
    return max(runs, key=lambda run: run.number, default=None)


def require_running(state: State, model: str) -> CanaryRun:
    """Return the running canary of a model.

    Raises:
        UsageError: there is no such model, or it has none.
    """
    run = state.running_canary(model)
    if run is None and state.current("model", model) is None:
        raise not_applied(state, "model", model)
    if run is None:
        raise UsageError(f"no canary of model {model} is running", hint="featurectl models canary start MODEL@VERSION")
    return run


def start_canary(workspace: Workspace, name: str, which: str, percent: float | None) -> CanaryRun:
    """Begin a canary of a version by number or alias; `percent` in place of the one in the model's `canary:`.

    Raises:
        UsageError: there is no such model, version or `canary:`, the version is the champion or was rejected, or
            nothing could judge it.
        TryAgainError: one is running already.
    """
    state = workspace.state()
    asked = _definition(state, name)
    version = choose_usable(state, name, which)
    champion = state.aliases.get((name, CHAMPION))
    if champion is None:
        raise UsageError(f"model {name} has no champion", hint="a canary is compared with one")
    if champion == version.version:
        raise UsageError(f"{name} version {champion} is the champion itself", hint="name another version")
    share = _checked_share(asked, asked.percent if percent is None else percent)
    _require_log(workspace.environment)
    run = CanaryRun(
        model=name,
        number=0,
        champion=champion,
        challenger=version.version,
        environment=workspace.environment.name,
        percent=share,
        for_us=asked.for_us,
        min_requests=asked.min_requests,
        success=asked.success,
        started_at=datetime.now(UTC),
    )
    return workspace.registry().start_canary(workspace.project, run, _start_entry(workspace, run))


def _definition(state: State, name: str) -> Canary:
    current = state.current("model", name)
    if current is None:
        raise not_applied(state, "model", name)
    canary = load_model(current.definition).canary
    if canary is None:
        hint = "canary: {percent: 5, for: 30m, success: {error_rate_percent: 0.1}}, then featurectl apply"
        raise UsageError(f"model {name} has no `canary:` as it is applied", hint=hint)
    return canary


def _checked_share(asked: Canary, percent: float) -> float:
    if not 0 <= percent <= 100:
        raise UsageError(f"{percent:g} is no share in percent", hint="0 (shadow mode) to 100")
    if percent == 100 and asked.success.score_psi is not None:
        message = "with 100 percent nobody is left whose scores `score_psi` could be compared with"
        raise UsageError(message, hint="give less than 100 percent")
    return percent


def _require_log(environment: Environment) -> None:
    from featurectl.operations.prediction_log.log_files import require_sample

    require_sample(environment, "which a canary is judged by", "; a canary is logged in full")


def _start_entry(workspace: Workspace, run: CanaryRun) -> HistoryEntry:
    actor = current_actor(workspace.root)
    how = "in the shadow" if run.percent == 0 else f"for {run.percent:g}% of the entities"
    return HistoryEntry(
        serial=0,
        at=run.started_at,
        who=actor.who,
        commit=actor.commit,
        command="models canary start",
        summary=f"{run.model} v{run.challenger} as a canary {how}, challenger -> v{run.challenger}",
    )
