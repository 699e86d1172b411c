"""Who acts: their name, the commit that they work from, and when."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.core.progress import Progress, Silent
from featurectl.workspace.git import Checkout, read_checkout

ACTOR: Final = "FEATURECTL_ACTOR"  # the variable that says for whom a process works
_LONGEST_ACTOR: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, from which commit ("" without one), and when."""

    who: str
    commit: str
    at: datetime


def current_actor(root: Path, progress: Progress | None = None) -> Actor:
    """Return who runs this process, now, with the commit that a repository is at."""
    return actor_at(str(find_checkout(root, progress).commit or ""))


def actor_at(commit: str) -> Actor:
    """Return who runs this process, now, who works from a commit."""
    return Actor(who=caller(), commit=commit, at=datetime.now(UTC))


def find_checkout(root: Path, progress: Progress | None = None) -> Checkout:
    """Return a folder as git has it; what git can't say of its commit is a warning."""
    checkout = read_checkout(root)
    if checkout.commit and checkout.problem:
        (progress or Silent()).done(f"warning: {checkout.problem}")
    return checkout


def caller() -> str:
    """Return who runs this process: `FEATURECTL_ACTOR` where that is set, else user@host.

    Raises:
        UsageError: the variable holds what no name can be.
    """
    if actor := os.environ.get(ACTOR, "").strip():
        if not actor.isprintable() or len(actor) > _LONGEST_ACTOR:
            raise UsageError(f"{ACTOR} is no name: at most {_LONGEST_ACTOR} printable characters in one line")
        return actor
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name in the environment, and none for the user id
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
