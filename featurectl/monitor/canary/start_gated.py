"""Begin a canary of a version that passes the gates: a canary is no way around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.dataclass import dataclass
from featurectl.monitor.canary.lifecycle import start_canary
from featurectl.operations.models.promotion import check_gates
from featurectl.operations.training.champion import evaluation_context
from featurectl.registry.applied import choose_usable
from featurectl.workspace.applied_workspace import read_applied

if TYPE_CHECKING:
    from featurectl.registry.state import CanaryRun, GateResult
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A version by its number or alias, and its share of the entities in place of that of the model's `canary:`."""

    model: str
    which: str
    percent: float | None = None
    allow_pickle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStart:
    """What the gates found, and the canary; None: a gate has failed, and none was begun."""

    gates: tuple[GateResult, ...]
    run: CanaryRun | None

    @property
    def failed(self) -> list[GateResult]:
        """The gates that the version does not pass."""
        return [gate for gate in self.gates if gate.passed is False]


def start_gated(workspace: Workspace, request: StartRequest) -> CanaryStart:
    """Begin a canary, if the version passes the gates against the champion of now.

    Raises:
        As `start_canary`, and as `check_gates`.
    """
    applied = read_applied(workspace)
    version = choose_usable(applied.state, request.model, request.which)
    gates: tuple[GateResult, ...] = ()
    if version.status != "rejected":  # which is refused below
        gates = check_gates(version, evaluation_context(applied, allow_pickle=request.allow_pickle))
    found = CanaryStart(gates=gates, run=None)
    if found.failed:
        return found
    run = start_canary(workspace, request.model, request.which, request.percent)
    return CanaryStart(gates=gates, run=run)
