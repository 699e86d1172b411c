"""The commit that was applied last, beside the one that is checked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.plan.plan import AppliedCommit
    from featurectl.workspace.git import Checkout
    from featurectl.workspace.workspace import Workspace


def applied_commit(workspace: Workspace, checkout: Checkout) -> AppliedCommit | None:
    """Return the commit that was applied last, and whether that of the checkout contains it."""
    from featurectl.core.commits import parse_commit
    from featurectl.plan.plan import AppliedCommit
    from featurectl.workspace.git import contains
    from featurectl.workspace.plain_registry import find_last_apply

    last = find_last_apply(workspace)
    if last is None:
        return None
    contained, reason = contains(checkout, parse_commit(last.commit), last.at)
    return AppliedCommit(commit=last.commit, at=last.at, who=last.who, contained=contained, reason=reason)
