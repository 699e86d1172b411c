"""What an `apply` has done, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.operations.apply import describe

if TYPE_CHECKING:
    from featurectl.plan.plan import Plan


def render_applied(plan: Plan, serial: int) -> str:
    """Return what became of a plan; `serial` is the registry's after it. "" where there was nothing to do."""
    if plan.empty:
        return ""
    if plan.unchanged:
        return "Created what was missing outside of the registry."
    return f"Applied to {plan.environment}, serial {serial}: {describe(plan)}."
