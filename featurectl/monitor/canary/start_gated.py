"""Begin a canary of a version that passes the gates: a canary is no way around them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.monitor.canary.lifecycle import last_canary, start_canary
from featurectl.operations.training.asked_gates import check_gates
from featurectl.operations.training.champion import evaluation_context
from featurectl.registry.applied import canary_running, choose_usable, newest_usable
from featurectl.registry.state import CHAMPION
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.run_id import run_id_of

if TYPE_CHECKING:
    from featurectl.registry.state import CanaryRun, GateResult, ModelVersion, State
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A version by its number or alias, and its share of the entities in place of that of the model's `canary:`.

    `which` empty: the one that the run of a pipeline has registered which the command belongs to, else the newest one.
    `join`: who asks waits for its end, so a canary of that version that runs, or has
    made it the champion, is the one that is meant, and a version that is the champion anyway needs none.
    """

    model: str
    which: str
    percent: float | None = None
    allow_pickle: bool = False
    join: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStart:
    """What the gates found, and the canary; None: a gate has failed, and none was begun, or none is needed.

    `is_joined`: it was there before, and no gate was looked at. `champion`: the version, which is the champion without
    a canary, as the first one of a model is. `note` says that a newer version is not meant.
    """

    gates: tuple[GateResult, ...]
    run: CanaryRun | None
    is_joined: bool = False
    champion: int | None = None
    note: str = ""

    @property
    def failed(self) -> list[GateResult]:
        """The gates that the version does not pass."""
        return [gate for gate in self.gates if gate.passed is False]


def parse_start(name: str, percent: float | None, *, allow_pickle: bool, join: bool) -> StartRequest:
    """Return the request for `MODEL@3`, `MODEL@ALIAS`, or `MODEL`, which means the version of the run, or the newest.

    Raises:
        UsageError: nothing stands behind the @.
    """
    model, mark, which = name.partition("@")
    if mark and not which:
        raise UsageError(f"{name}: which version?", hint=f"featurectl models canary start {model}@VERSION")
    return StartRequest(model=model, which=which, percent=percent, allow_pickle=allow_pickle, join=join)


def start_gated(workspace: Workspace, request: StartRequest) -> CanaryStart:
    """Begin a canary, if the version passes the gates against the champion of now.

    Raises:
        As `start_canary`, and as `check_gates`.
    """
    applied = read_applied(workspace)
    version = _chosen(workspace, applied.state, request)
    note = _newer(applied.state, version, request)
    if request.join and (there := _joined(applied.state, version, request)) is not None:
        return replace(there, note=note)
    if (other := applied.state.running_canary(version.model)) is not None:
        raise canary_running(other)  # before gates are measured for nothing
    gates: tuple[GateResult, ...] = ()
    if version.status != "rejected":  # which is refused below
        gates = check_gates(version, evaluation_context(applied, allow_pickle=request.allow_pickle))
    found = CanaryStart(gates=gates, run=None, note=note)
    if found.failed:
        return found
    try:
        run = start_canary(workspace, request.model, str(version.version), request.percent)
    except (UsageError, TryAgainError):
        there = _joined(workspace.state(), version, request) if request.join else None
        if there is None:
            raise
        return replace(there, note=note)  # somebody has begun it while the gates were measured
    return replace(found, run=run)


def _chosen(workspace: Workspace, state: State, request: StartRequest) -> ModelVersion:
    if request.which:
        return choose_usable(state, request.model, request.which)
    return newest_usable(state, request.model, run_id_of(workspace.environ))


def _newer(state: State, version: ModelVersion, request: StartRequest) -> str:
    """Return that a newer version is not meant; "": there is none, or the version was named."""
    if request.which or (newest := newest_usable(state, request.model).version) <= version.version:
        return ""
    return f"{version.model} version {version.version} is of this run; version {newest} is newer, and not meant"


def _joined(state: State, version: ModelVersion, request: StartRequest) -> CanaryStart | None:
    """Return the canary of a version that runs, or has made it the champion of now, or that it needs none; else None.

    Raises:
        TryAgainError: it runs for another share of the entities.
    """
    last = last_canary(state, version.model)
    is_champion = state.aliases.get((version.model, CHAMPION)) == version.version
    if last is None or last.challenger != version.version or last.state not in ("running", "promoted"):
        return CanaryStart(gates=(), run=None, champion=version.version) if is_champion else None
    if last.state != "running" and not is_champion:
        return None
    if last.state == "running" and request.percent not in (None, last.percent):
        raise canary_running(last, f", for {last.percent:g}% of the entities, not {request.percent:g}")
    return CanaryStart(gates=(), run=last, is_joined=True)
