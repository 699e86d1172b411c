"""`--allow FILE` and `--write-allow FILE`: what a review has allowed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.workspace.whole_file import write_whole

if TYPE_CHECKING:
    from featurectl.plan.plan import Plan
    from featurectl.plan.reviewed_changes import Allowance


def with_allowances(plan: Plan, path: Path | None, root: Path) -> Plan:
    """Return a plan with the changes that a file allows no longer blocked.

    Raises:
        UsageError: there is no such file in the repository.
        ProblemsError: it is no file of allowances.
    """
    from featurectl.plan.reviewed_changes import allowed_options

    return plan if path is None else plan.allowing(allowed_options(plan, _read(path, root)))


def write_allowances(plan: Plan, path: Path, root: Path) -> None:
    """Write into a file of the repository what the plan waits for, beside what it allows of other environments.

    Raises:
        UsageError: it can't be written, or lies elsewhere, where `--allow` would not read it.
        ProblemsError: what is there is no file of allowances.
    """
    from featurectl.plan.reviewed_changes import dump_allowances, merged_allowances

    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise UsageError(f"--write-allow {path} is no file of the repository", hint=f"a file below {root}")
    before = _read(path, root) if path.exists() else ()
    try:
        write_whole(path, dump_allowances(merged_allowances(before, plan)))
    except OSError as error:
        raise write_failure(f"--write-allow {path}: it can't be written", error) from None


def _read(path: Path, root: Path) -> tuple[Allowance, ...]:
    from featurectl.language.allow_file import read_allowances
    from featurectl.plan.reviewed_changes import Allowance

    return tuple(
        Allowance(
            environment=item.environment,
            what="breaking" if item.breaking is not None else "remove",
            name=item.breaking or item.remove or "",
            digest=item.digest,
        )
        for item in read_allowances(path, root)
    )
