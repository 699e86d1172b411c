"""Begin a canary of a version that passes the gates: a canary is no way around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import UsageError
from featurectl.monitor.canary.lifecycle import last_canary, start_canary
from featurectl.operations.models.promotion import check_gates
from featurectl.operations.training.champion import evaluation_context
from featurectl.registry.applied import choose_usable, newest_usable
from featurectl.registry.state import CHAMPION
from featurectl.workspace.applied_workspace import read_applied

if TYPE_CHECKING:
    from featurectl.registry.state import CanaryRun, GateResult, ModelVersion, State
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A version by its number or alias, and its share of the entities in place of that of the model's `canary:`.

    `which` empty: the newest one. `join`: who asks waits for its end, so a canary of that version that runs, or has
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
    a canary, as the first one of a model is.
    """

    gates: tuple[GateResult, ...]
    run: CanaryRun | None
    is_joined: bool = False
    champion: int | None = None

    @property
    def failed(self) -> list[GateResult]:
        """The gates that the version does not pass."""
        return [gate for gate in self.gates if gate.passed is False]


def parse_start(name: str, percent: float | None, *, allow_pickle: bool, join: bool) -> StartRequest:
    """Return the request for `MODEL@3`, `MODEL@ALIAS`, or `MODEL`, which means its newest version.

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
    version = _chosen(applied.state, request)
    if request.join and (there := _joined(applied.state, version, request)) is not None:
        return there
    gates: tuple[GateResult, ...] = ()
    if version.status != "rejected":  # which is refused below
        gates = check_gates(version, evaluation_context(applied, allow_pickle=request.allow_pickle))
    found = CanaryStart(gates=gates, run=None)
    if found.failed:
        return found
    try:
        run = start_canary(workspace, request.model, str(version.version), request.percent)
    except UsageError:
        there = _joined(workspace.state(), version, request) if request.join else None
        if there is None:
            raise
        return there  # somebody has begun it while the gates were measured
    return CanaryStart(gates=gates, run=run)


def _chosen(state: State, request: StartRequest) -> ModelVersion:
    if request.which:
        return choose_usable(state, request.model, request.which)
    return newest_usable(state, request.model)


def _joined(state: State, version: ModelVersion, request: StartRequest) -> CanaryStart | None:
    """Return the canary of a version that runs, or has made it the champion of now, or that it needs none; else None.

    Raises:
        UsageError: it runs for another share of the entities.
    """
    last = last_canary(state, version.model)
    is_champion = state.aliases.get((version.model, CHAMPION)) == version.version
    if last is None or last.challenger != version.version or last.state not in ("running", "promoted"):
        return CanaryStart(gates=(), run=None, champion=version.version) if is_champion else None
    if last.state != "running" and not is_champion:
        return None
    if last.state == "running" and request.percent not in (None, last.percent):
        what = f"a canary of {version.model} version {version.version} is running for {last.percent:g}% of the entities"
        raise UsageError(f"{what}, not {request.percent:g}", hint=f"featurectl models canary abort {version.model}")
    return CanaryStart(gates=(), run=last, is_joined=True)
