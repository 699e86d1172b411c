"""The commit that a command works from; what git can't say of it is told on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from featurectl.cli.call import Call
    from featurectl.workspace.git import Checkout


def checkout_of(call: Call, root: Path) -> Checkout:
    """Return the folder as git has it."""
    from featurectl.workspace.git import read_checkout

    checkout = read_checkout(root)
    if checkout.commit and checkout.problem:
        call.progress.done(f"warning: {checkout.problem}")
    return checkout


def commit_of(call: Call, root: Path) -> str:
    """Return the commit that a folder is at, as the registry keeps it; "" without one."""
    return str(checkout_of(call, root).commit or "")
