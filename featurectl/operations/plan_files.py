"""The plan of the files, as `plan` shows it and `apply` runs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.errors import DataError, StoreError, UsageError
from featurectl.core.progress import Progress
from featurectl.operations.allow_file import with_allowances, write_allowances
from featurectl.operations.applied_commit import applied_commit
from featurectl.operations.plan_sources import source_warnings
from featurectl.operations.saved_plan import write_plan
from featurectl.operations.unmade_views import plan_workspace
from featurectl.workspace.actor import find_checkout
from featurectl.workspace.offline_folder import has_offline
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.online.base import OnlineStore
    from featurectl.plan.external_state import ExternalState
    from featurectl.plan.plan import Plan
    from featurectl.sources.size import SourceSize
    from featurectl.workspace.git import Checkout
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChoices:
    """Which objects a plan is about, and what it may do: by name, or by a file of what a review has allowed."""

    select: tuple[str, ...] = ()
    allow_remove: tuple[str, ...] = ()
    allow_breaking: tuple[str, ...] = ()
    allow_older: bool = False
    allow: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutputs:
    """Where a plan goes beside its answer: its own file, and a file of what a review has to allow."""

    plan: Path | None = None
    allowances: Path | None = None


def plan_files(workspace: Workspace, choices: PlanChoices, outputs: PlanOutputs, progress: Progress) -> Plan:
    """Return what `apply` would do with the files, and how much work that makes; write the files that are asked for.

    Raises:
        UsageError: a choice names nothing that it can be about, or an output can't be written.
        ProblemsError: a file of allowances is none.
        StoreError: the registry can't be read.
    """
    planner = Planner(workspace=workspace, choices=choices, progress=progress)
    external = planner.look()
    plan = planner.make(find_checkout(workspace.root, progress), external)
    plan = with_allowances(planner.measure(plan, external), choices.allow, workspace.root)
    if outputs.allowances is not None:
        write_allowances(plan, outputs.allowances, workspace.root)
    if outputs.plan is not None:
        write_plan(plan, outputs.plan)
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes the plan of a workspace's files, as often as it must."""

    workspace: Workspace
    choices: PlanChoices
    progress: Progress

    def look(self) -> ExternalState:
        """Return what is there outside of the registry; what can't be reached is a warning, and not known then."""
        from featurectl.plan.external_state import ExternalState

        try:
            return read_external_state(self.workspace)
        except StoreError as error:
            self._warn(f"what is missing there and how much work it has is not known: {error.message}")
            return ExternalState(online=None, offline=has_offline(self.workspace))

    def make(self, checkout: Checkout, external: ExternalState) -> Plan:
        """Return the plan of the files, as git has them, against the registry as it is now.

        Raises:
            UsageError: an option names nothing that it can be about.
        """
        from featurectl.plan.build import PlanRequest

        request = PlanRequest(
            environment=self.workspace.environment.name,
            repo=os.path.relpath(self.workspace.root),
            commit=str(checkout.commit or ""),
            allow_remove=self.choices.allow_remove,
            allow_breaking=self.choices.allow_breaking,
            select=self.choices.select,
            external=external,
            applied=applied_commit(self.workspace, checkout),
            allow_older=self.choices.allow_older,
            seen=list_view_columns(self.workspace),
        )
        return plan_workspace(self.workspace, self.workspace.state(), request)

    def measure(self, plan: Plan, external: ExternalState) -> Plan:
        """Return the plan with its effort; without, when the offline tables can't be read.

        What `materialize` will not find in the sources is a warning.
        """
        if plan.unchanged:
            return plan
        for text in source_warnings(plan, self.workspace):
            self._warn(text)
        from featurectl.operations.plan_effort import StatisticsStores, measure_plan

        workspace = self.workspace
        online = None if external.online is None else workspace.online()
        measured = StatisticsStores(
            offline=workspace.offline, online=online, size_of=_sizes(workspace), gone_of=partial(_gone, workspace)
        )
        if any(view.source.history is not None for view in workspace.repo.views.values()):
            from featurectl.operations.stream_states.plan_notes import note_states

            plan = note_states(plan, workspace)
        try:
            plan = measure_plan(plan, workspace.repo.views, measured)
            return self._with_costs(plan, online)
        except StoreError as error:
            self._warn(f"how much work the plan makes is not known: {error.message}")
            return plan

    def _with_costs(self, plan: Plan, online: OnlineStore | None) -> Plan:
        """Return the plan with what its pushes cost, where the online store takes money for writes."""
        units = self.workspace.write_units()
        if units is None:
            return plan
        from featurectl.operations.write_costs import note_costs

        return note_costs(plan, self.workspace.repo.views, units, online)

    def _warn(self, text: str) -> None:
        self.progress.done(f"warning: {text}")


def read_external_state(workspace: Workspace) -> ExternalState:
    """Return what is there of the environment outside of its registry.

    Raises:
        StoreError: the online store can't be read.
        UsageError: it keeps no state of streams, which a view needs.
    """
    workspace.check_keeps_streams()
    from featurectl.plan.external_state import ExternalState

    prepared = workspace.online().prepared(workspace.project, workspace.environment.name)
    return ExternalState(online=prepared, offline=has_offline(workspace))


def _gone(workspace: Workspace, source: Source, read: Iterable[str]) -> list[str]:
    """Return which parts of a source that were read are gone; none where it can't be looked at from here."""
    from featurectl.sources.open import open_source

    try:
        reader = open_source(source, workspace.root)
        return reader.lost_parts(reader.parts(), read)
    except (DataError, UsageError):
        return []


def _sizes(workspace: Workspace) -> Callable[[Source], SourceSize]:
    """Return what tells the size of a source: of each once, however many views read it."""
    from featurectl.sources.open import open_source
    from featurectl.sources.size import SourceSize, source_size

    sizes: dict[str, SourceSize] = {}

    def size_of(source: Source) -> SourceSize:
        if source.is_stream:  # what a topic holds nobody asks
            return SourceSize()
        if source.name not in sizes:
            try:
                sizes[source.name] = source_size(open_source(source, workspace.root))
            except (DataError, UsageError):  # a variable that is not set here, say, or data outside of the repository
                sizes[source.name] = SourceSize()
        return sizes[source.name]

    return size_of
