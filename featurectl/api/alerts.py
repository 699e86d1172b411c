"""The alerts of a project: `project.alerts`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from featurectl.api.base import ProjectBase, length_of
from featurectl.api.pages import AlertCheckPage, NotifierTrialPage, SilencePage, as_page
from featurectl.api.results import ResultTable
from featurectl.core.errors import UsageError
from featurectl.monitor.alerts.check_alerts import check_alerts
from featurectl.monitor.alerts.silences import SilenceRequest, begin_silence, end_silence, list_silences
from featurectl.monitor.alerts.try_notifier import try_notifier
from featurectl.registry.alert_state import Silence
from featurectl.render.alerts import render_silences, silence_json


@dataclass(frozen=True, slots=True)
class ProjectAlerts:
    """Alerts, silences and notifiers that are applied; each method reads the registry anew."""

    project: ProjectBase

    def check(self, *, dry_run: bool = False, again: bool = False) -> AlertCheckPage:
        """Look at the alerts once, send the messages that are due, and return what was found and sent.

        `dry_run`: nothing is written and nothing is sent. `again`: what was refused or given up is sent once more.

        Raises:
            CheckFailedError: nothing is applied.
            UsageError: FC526, now is later than a store's clock.
            StoreError: the registry can't be read.
        """
        if again and dry_run:
            raise UsageError("again=True sends, and dry_run=True sends nothing", hint="leave one of them out")
        with self.project.workspace("project file") as workspace:
            found = check_alerts(workspace, self.project.open_progress(), dry_run=dry_run, again=again)
        return as_page(AlertCheckPage, found, dry_run=dry_run)

    def test(self, notifier: str) -> NotifierTrialPage:
        """Send a test message through a notifier, and return what came back; `error` where it was not taken.

        Raises:
            UsageError: no notifier of that name is applied.
        """
        with self.project.workspace("project file") as workspace:
            return as_page(NotifierTrialPage, try_notifier(workspace, notifier))

    def silence(self, alert: str, for_: str | timedelta, *, subject: str = "*", reason: str = "") -> SilencePage:
        """Tell nobody of an alert, or of those of a pattern, for a length of time ("2h"), and return the silence.

        `subject`: only of what is so called, like `"view:spend@*"`.

        Raises:
            UsageError: there is no such alert or subject, or the length is none.
            StoreError: the registry can't be written.
        """
        for_us = length_of(for_, "for_") // timedelta(microseconds=1)
        request = SilenceRequest(alert=alert, subject=subject, for_us=for_us, reason=reason)
        with self.project.workspace("project file") as workspace:
            return as_page(SilencePage, begin_silence(workspace, request))

    def silences(self) -> ResultTable[Silence]:
        """Return the silences that are not over.

        Raises:
            CheckFailedError: nothing is applied.
            StoreError: the registry can't be read.
        """
        with self.project.workspace("project file") as workspace:
            found = list_silences(workspace)
        return ResultTable(found, silence_json, render_silences, head="" if found else render_silences(found))

    def end_silence(self, silence_id: str) -> SilencePage:
        """End a silence now, and return it.

        Raises:
            UsageError: there is none of this ID, or it is over.
        """
        with self.project.workspace("project file") as workspace:
            return as_page(SilencePage, end_silence(workspace, silence_id))
