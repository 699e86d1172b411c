"""Where a version is registered by a command, and by whom: what `train` and `models import` end with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.cli.call import Call
    from featurectl.models.pickle_policy import PicklePolicy
    from featurectl.operations.training.train import Registration
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def registration(call: Call, workspace: Workspace, state: State, leave: PicklePolicy) -> Registration:
    """Return the workspace's registry with what gates are measured by; the instant is that of the clock."""
    from featurectl.cli.checkout import commit_of
    from featurectl.engines.open import open_engine
    from featurectl.operations.apply import caller
    from featurectl.operations.training.champion import EvaluationContext
    from featurectl.operations.training.train import Registration

    ring = EvaluationContext(
        state=state,
        offline=workspace.offline(),
        location=workspace.offline_location(),
        engine=open_engine(workspace.environment, call.memory_bytes()),
        leave=leave,
    )
    return Registration(
        registry=workspace.registry(),
        ring=ring,
        now=datetime.now(UTC),
        who=caller(),
        commit=commit_of(call, workspace.root),
    )
