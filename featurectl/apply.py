"""Make a registry match a plan: lock, look again, write everything in one transaction."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from featurectl.errors import PlanError, ProblemsError, TryAgainError
from featurectl.plan.model import Plan
from featurectl.registry.base import Change, HistoryEntry, Registry
from featurectl.registry.state import State
from featurectl.spec.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who applies, from which commit ("" without one), and when."""

    who: str
    commit: str
    at: datetime


def apply_plan(registry: Registry, plan: Plan, author: Author) -> State:
    """Run a plan's stages in one transaction under the project's lock, and return the new state.

    Raises:
        PlanError: a change is blocked; nothing was written.
        TryAgainError: the registry has changed since the plan was made, or another command holds the lock.
    """
    refuse_blocked(plan)
    with registry.lock(plan.project, author.who):
        state = registry.load_state(plan.project)
        if state.serial != plan.serial or plan.registry_id not in ("", state.registry_id):
            raise TryAgainError(
                f"the registry has changed since the plan was made: serial {plan.serial} then, {state.serial} now",
                hint="plan again",
            )
        if plan.empty:
            return state
        entry = HistoryEntry(
            serial=plan.serial + 1,
            at=author.at,
            who=author.who,
            commit=author.commit,
            command="apply",
            summary=describe(plan),
        )
        return registry.write_change(state, _registry_change(plan), entry)


def refuse_blocked(plan: Plan) -> None:
    """Do nothing for a plan that can be applied.

    Raises:
        PlanError: a change is blocked; the message names the first, the hint what would allow them all.
    """
    if not plan.blocked:
        return
    first, names = plan.blocked[0], " ".join(f"--allow-remove {change.name}" for change in plan.blocked)
    more = f" (and {len(plan.blocked) - 1} more)" if len(plan.blocked) > 1 else ""
    kind = first.object.replace("_", " ")
    raise PlanError(f'{kind} "{first.name}" would be removed: {first.blocked}{more}', code=first.code, hint=names)


def refuse_unsupported(repo: Repo) -> None:
    """Do nothing for a repository that this version runs whole.

    Raises:
        ProblemsError: it uses parts of the language that this version reads and does not run.
    """
    if repo.not_in_this_version:
        raise ProblemsError("parts of the repository are not in this version", repo.not_in_this_version, code="FC402")


def describe(plan: Plan) -> str:
    """Return what a plan did, for the history: "2 added, 1 changed (1 breaking)"."""
    summary = plan.to_json()["summary"]
    breaking = f" ({summary['breaking']} breaking)" if summary["breaking"] else ""
    parts = [
        f"{summary['add']} added" if summary["add"] else "",
        f"{summary['change']} changed{breaking}" if summary["change"] else "",
        f"{summary['remove']} removed" if summary["remove"] else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing"


def git_commit(root: Path) -> str:
    """Return the short commit that the repository's folder is at; "" without git or outside a work tree."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(root), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def caller() -> str:
    """Return who runs this process, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name in the environment, and none for the user id
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _registry_change(plan: Plan) -> Change:
    return Change(
        write=tuple(stage.item for stage in plan.stages if stage.action == "write"),
        retire=tuple(stage.item for stage in plan.stages if stage.action == "retire"),
    )
