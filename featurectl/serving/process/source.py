"""A project as a server has it from the registry of a workspace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from featurectl.core.errors import StoreError
from featurectl.monitor.canary.lifecycle import judge_now, keeps_log, open_log, running_canaries
from featurectl.online.client.project_schema import ProjectSchema
from featurectl.online.client.pushed_versions import Pushed
from featurectl.registry.state import State
from featurectl.serving.project.canary import find_canaries
from featurectl.serving.project.served_project import ServedProject, build_served
from featurectl.workspace.pickles import pickle_policy
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.monitor.canary.log import CanaryLog  # which needs Polars


class WorkspaceSource:
    """A project as the registry of a workspace has it."""

    def __init__(self, workspace: Workspace, *, allow_pickle: bool) -> None:
        self._workspace = workspace
        self._allow_pickle = allow_pickle
        self._logs: dict[tuple[str, int], CanaryLog] = {}

    @property
    def environment(self) -> str:
        """The name of the environment."""
        return self._workspace.environment.name

    def state(self) -> State:
        """Return the project as the registry has it.

        Raises:
            StoreError: FC601, it can't be read, or knows nothing of the project.
        """
        state = self._workspace.state()
        if not state.objects:
            raise StoreError(
                f"the registry knows nothing of project {self._workspace.project}",
                code="FC601",
                hint="featurectl apply",
            )
        return state

    def load(
        self, state: State, pushed: Pushed, before: ServedProject | None, only: Collection[str] | None = None
    ) -> ServedProject:
        """Return a project of which these view versions were pushed, its models loaded and proven.

        `only`: these models alone.
        """
        workspace = self._workspace
        policy = pickle_policy(workspace, state, by_flag=self._allow_pickle)
        catalog = ProjectSchema(state, workspace.environment.name, pushed)
        served = build_served(catalog, workspace.offline_location(), policy, before, only)
        if keeps_log(workspace.environment):
            served.canaries = find_canaries(state, served.models, workspace.environment.name)
        return served

    def judge(self, failures: Mapping[str, str]) -> bool:
        """Judge the running canaries, and return whether one has ended."""
        runs = running_canaries(self._workspace, self._workspace.state())
        logs = {(run.model, run.number): self._logs.get((run.model, run.number)) for run in runs}
        self._logs = {
            key: log or open_log(self._workspace, run) for (key, log), run in zip(logs.items(), runs, strict=True)
        }
        judged = [judge_now(self._workspace, run, self._logs[run.model, run.number], "serve", failures) for run in runs]
        return any(one.run.state != "running" for one in judged)
