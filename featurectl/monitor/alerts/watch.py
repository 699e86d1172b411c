"""Look at alerts again and again, and send what waits in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.core.stop_request import StopRequest
from featurectl.monitor.alerts.evaluation_run import EvaluationRun, deliverer_of, look_once
from featurectl.workspace.workspace import Workspace

_LEAST_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks every so many seconds, and sends what waits in between, until it is stopped.

    `open_workspace` is called for each look: so it follows what is applied. `check_clock` keeps a look by a wrong clock
    from being taken. `report` gets each run, `report_error` each error.
    """

    open_workspace: Callable[[], Workspace]
    check_clock: Callable[[Workspace], None]
    every_s: float
    report: Callable[[EvaluationRun], None]
    report_error: Callable[[FeaturectlError], None]
    stop: StopRequest

    def run(self) -> None:
        """Go on until stopped; an error of a look ends nothing, that of the first one when it is wrong usage does.

        Raises:
            UsageError: there is no such repository or environment.
        """
        with self.open_workspace():
            look_at = time.monotonic()
        while not self.stop.is_set():
            is_look = time.monotonic() >= look_at
            due_s = self.every_s
            try:
                due_s = self._turn(is_look=is_look)
            except FeaturectlError as error:
                self.report_error(error)
            if is_look:
                look_at = time.monotonic() + self.every_s
            self.stop.wait(max(min(look_at - time.monotonic(), due_s), _LEAST_WAIT_S))

    def _is_held(self, workspace: Workspace) -> bool:
        """Return whether a look may be taken; what waits is sent by a wrong clock, too."""
        try:
            self.check_clock(workspace)
        except FeaturectlError as error:
            self.report_error(error)
            return False
        return True

    def _turn(self, *, is_look: bool) -> float:
        """Look, or only send; return in how many seconds the next message is due."""
        with self.open_workspace() as workspace:
            if is_look and self._is_held(workspace):
                self.report(look_once(workspace, stopped=self.stop.is_set))
            else:
                is_look = False
            deliverer = deliverer_of(workspace, workspace.state(), self.stop.is_set)
            if not is_look:
                self.report(EvaluationRun(alerts={}, evaluations=(), sent=list(deliverer.deliver())))
            due_s = deliverer.due_s()
        return self.every_s if due_s is None else due_s
