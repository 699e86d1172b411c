"""The plan of the files, as `plan` shows it and `apply` runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call
from featurectl.cli.render.visible import in_one_line
from featurectl.core.errors import DataError, StoreError, UsageError

if TYPE_CHECKING:
    from featurectl.language.definitions.objects import Source
    from featurectl.plan.external_state import ExternalState
    from featurectl.plan.model import AppliedCommit, Plan
    from featurectl.sources.size import SourceSize
    from featurectl.workspace.git import Checkout
    from featurectl.workspace.workspace import Workspace

AllowRemove = Annotated[
    list[str] | None,
    typer.Option(help="An object that may be removed, by name or KIND:NAME; once for each.", metavar="NAME"),
]
AllowBreaking = Annotated[
    list[str] | None,
    typer.Option(help="A view that may change although a champion reads it; once for each.", metavar="NAME"),
]
AllowOlder = Annotated[
    bool, typer.Option("--allow-older", help="Files may be of a commit without the one that was applied last.")
]


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the plan of a workspace's files, as often as it must; the lists are the options as they were given."""

    call: Call
    workspace: Workspace
    select: list[str] | None
    allow_remove: list[str] | None
    allow_breaking: list[str] | None
    allow_older: bool = False

    def look(self) -> ExternalState:
        """Return what is there outside of the registry; what can't be reached is said, and then goes unlooked."""
        from featurectl.plan.external_state import ExternalState

        try:
            return self.workspace.outside()
        except StoreError as error:
            self._say(f"what is missing there and how much work it has is not known: {error.message}")
            return ExternalState(online=None, offline=self.workspace.has_offline())

    def make(self, checkout: Checkout, outside: ExternalState) -> Plan:
        """Return the plan of the files, as git has them, against the registry as it is now.

        Raises:
            UsageError: an option names nothing that it can be about.
        """
        from featurectl.plan.build import PlanRequest, plan_repo

        request = PlanRequest(
            environment=self.workspace.environment.name,
            repo=os.path.relpath(self.workspace.root),
            commit=str(checkout.commit or ""),
            allow_remove=tuple(self.allow_remove or ()),
            allow_breaking=tuple(self.allow_breaking or ()),
            select=tuple(self.select or ()),
            outside=outside,
            applied=applied_commit(self.workspace, checkout),
            allow_older=self.allow_older,
        )
        return plan_repo(self.workspace.repo, self.workspace.state(), request)

    def measure(self, plan: Plan, outside: ExternalState) -> Plan:
        """Return the plan with its effort; without, when the offline tables can't be read."""
        if plan.unchanged:
            return plan
        from featurectl.operations.effort import StatisticsStores, measure_plan

        workspace = self.workspace
        online = None if outside.online is None else workspace.online()
        measured = StatisticsStores(offline=workspace.offline, online=online, size_of=_sizes(workspace))
        try:
            return measure_plan(plan, workspace.repo.views, measured)
        except StoreError as error:
            self._say(f"how much work the plan makes is not known: {error.message}")
            return plan

    def _say(self, text: str) -> None:
        if not self.call.quiet:
            sys.stderr.write(f"warning: {in_one_line(text)}\n")


def applied_commit(workspace: Workspace, checkout: Checkout) -> AppliedCommit | None:
    """Return the commit that was applied last, and whether that of the checkout contains it."""
    from featurectl.core.commits import parse_commit
    from featurectl.plan.model import AppliedCommit
    from featurectl.workspace.git import contains

    last = workspace.last_apply()
    if last is None:
        return None
    contained, reason = contains(checkout, parse_commit(last.commit), last.at)
    return AppliedCommit(commit=last.commit, at=last.at, who=last.who, contained=contained, reason=reason)


def _sizes(workspace: Workspace) -> Callable[[Source], SourceSize]:
    """Return what tells the size of a source: of each once, however many views read it."""
    from featurectl.sources.open import open_source
    from featurectl.sources.size import SourceSize, source_size

    sizes: dict[str, SourceSize] = {}

    def size_of(source: Source) -> SourceSize:
        if source.name not in sizes:
            try:
                sizes[source.name] = source_size(open_source(source, workspace.root), source, workspace.root)
            except (DataError, UsageError):  # a variable that is not set here, say, or data outside of the repository
                sizes[source.name] = SourceSize()
        return sizes[source.name]

    return size_of
