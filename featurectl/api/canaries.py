"""Versions that are tried beside the champion: `project.models.canary`."""

from __future__ import annotations

from featurectl.api.base import ProjectBase
from featurectl.api.pages import CanaryPage, CanaryStartPage, EndedCanaryPage, as_page
from featurectl.core.dataclass import dataclass
from featurectl.core.errors import UsageError
from featurectl.monitor.canary.lifecycle import CanaryEvaluation, end_running, evaluate_last
from featurectl.monitor.canary.start_gated import StartRequest, start_gated


@dataclass(frozen=True, slots=True)
class ProjectCanaries:
    """Canaries of models; each method reads the registry anew."""

    project: ProjectBase

    def start(self, model: str, *, percent: float | None = None, allow_pickle: bool = False) -> CanaryStartPage:
        """Let a version (`"late@3"`) answer a share of the entities; `run` is None where it fails a gate.

        `percent` stands in place of the model's own; 0: it scores in the shadow.

        Raises:
            UsageError: no version is named, there is none, or it can't be tried.
            DataError, StoreError: what is measured can't be read.
        """
        name, _, which = model.partition("@")
        if not which:
            raise UsageError(f"{model}: which version?", hint=f"featurectl models canary start {name}@VERSION")
        request = StartRequest(model=name, which=which, percent=percent, allow_pickle=allow_pickle)
        with self.project.workspace("applied") as workspace:
            return as_page(CanaryStartPage, start_gated(workspace, request))

    def status(self, model: str, *, judge: bool = False) -> CanaryPage | EndedCanaryPage | None:
        """Return how a model's canary does, or has ended; None: it had none. `judge`: end it where that is due.

        Raises:
            UsageError: there is no such model.
            StoreError: the prediction log or the registry can't be read.
        """
        with self.project.workspace("applied") as workspace:
            found = evaluate_last(workspace, model, judge=judge, command="models canary status")
        if isinstance(found, CanaryEvaluation):
            return as_page(CanaryPage, found)
        return None if found is None else as_page(EndedCanaryPage, found)

    def promote(self, model: str) -> CanaryPage:
        """Make the challenger of a running canary the champion now, whatever its figures are.

        Raises:
            UsageError: no canary of it is running.
            TryAgainError: the champion is another by now.
        """
        with self.project.workspace("applied") as workspace:
            return as_page(CanaryPage, end_running(workspace, model, "promoted", "models canary promote"))

    def abort(self, model: str) -> CanaryPage:
        """End a running canary now: the champion answers everybody again.

        Raises:
            UsageError: no canary of it is running.
        """
        with self.project.workspace("applied") as workspace:
            return as_page(CanaryPage, end_running(workspace, model, "aborted", "models canary abort"))
