"""Versions that are tried beside the champion: `project.models.canary`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta

from featurectl.api.base import ProjectBase, length_of
from featurectl.api.pages import CanaryPage, CanaryStartPage, EndedCanaryPage, as_page
from featurectl.monitor.canary.lifecycle import CanaryEvaluation, end_running, evaluate_last
from featurectl.monitor.canary.start_gated import parse_start, start_gated
from featurectl.monitor.canary.wait import CanaryWait


@dataclass(frozen=True, slots=True)
class ProjectCanaries:
    """Canaries of models; each method reads the registry anew."""

    project: ProjectBase

    def start(  # noqa: PLR0913 (what callers of Python write)
        self,
        model: str,
        *,
        percent: float | None = None,
        allow_pickle: bool = False,
        wait: bool = False,
        every: str | timedelta = "10s",
        within: str | timedelta | None = None,
    ) -> CanaryStartPage:
        """Let a version (`"late@3"`; `"late"`: its newest) answer a share of the entities.

        `run` is None where it fails a gate. `percent` stands in place of the model's own; 0: it scores in the shadow.
        `wait`: judge it again and again until it is over, `every` so often, and return it as it has ended; a canary of
        that version that runs is waited for, and a version that is the champion already needs none. One that is not
        over `within` a length of time after its beginning is aborted.

        Raises:
            UsageError: there is no such version, or it can't be tried.
            TryAgainError: another canary of the model is running.
            DataError, StoreError: what is measured can't be read.
        """
        every_s = length_of(every, "every").total_seconds()
        longest = None if within is None else length_of(within, "within")
        request = parse_start(model, percent, allow_pickle=allow_pickle, join=wait)
        with self.project.workspace("project file") as workspace:
            found, progress = start_gated(workspace, request), self.project.open_progress()
            progress.done(found.note)
            if wait and found.run is not None and found.run.state == "running":
                waiting = CanaryWait(
                    workspace=workspace, every_s=every_s, progress=progress, pause=time.sleep, within=longest
                )
                found = replace(found, run=waiting.wait(found.run))
        return as_page(CanaryStartPage, found)

    def status(self, model: str, *, judge: bool = False) -> CanaryPage | EndedCanaryPage | None:
        """Return how a model's canary does, or has ended; None: it had none. `judge`: end it where that is due.

        Raises:
            UsageError: there is no such model.
            StoreError: the prediction log or the registry can't be read.
        """
        with self.project.workspace("project file") as workspace:
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
        with self.project.workspace("project file") as workspace:
            return as_page(CanaryPage, end_running(workspace, model, "promoted", "models canary promote"))

    def abort(self, model: str) -> CanaryPage:
        """End a running canary now: the champion answers everybody again.

        Raises:
            UsageError: no canary of it is running.
        """
        with self.project.workspace("project file") as workspace:
            return as_page(CanaryPage, end_running(workspace, model, "aborted", "models canary abort"))
