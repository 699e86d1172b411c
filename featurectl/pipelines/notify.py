"""Tells notifiers that a stage has ended, beside the stages that go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import format_age, parse_instant
from featurectl.language.definitions.pipelines import PipelineStage
from featurectl.notifiers.base import IncidentMessage, NotifierChannel
from featurectl.notifiers.deadline import TOTAL_S, within
from featurectl.offline.pipeline_records import PipelineRecord, StageRecord
from featurectl.pipelines.runner import ended_with

OpenChannel = Callable[[str], NotifierChannel]
_TRIES: Final = 3
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMessages:
    """Makes messages of a run: of which project, and in which environment."""

    project: str
    run: PipelineRecord

    def message(self, stage: StageRecord) -> IncidentMessage:
        """Return the message that a stage has succeeded or failed."""
        run, is_failure = self.run, stage.state != "succeeded"
        key = f"featurectl/{self.project}/{run.environment}/pipelines/{run.pipeline}/{stage.name}"
        began, ended = parse_instant(stage.began), parse_instant(stage.ended)
        length_s = max((ended - began).total_seconds(), 0.0) if began and ended else 0.0
        return IncidentMessage(
            id=f"{key}/{run.id}/{stage.attempts}",
            key=key,
            kind="failed" if is_failure else "succeeded",
            project=self.project,
            environment=run.environment,
            alert=run.pipeline,
            subject=stage.name,
            severity="critical" if is_failure else "info",
            condition=ended_with(stage) if is_failure else "",
            value=format_age(round(length_s * _MICROSECONDS)),
            measured=length_s,
            cause=stage.cause,
            since=run.began,
            at=stage.ended,
            look=_command(run, is_failure=is_failure),
        )


def _command(run: PipelineRecord, *, is_failure: bool) -> str:
    act = f"run {run.pipeline} --resume" if is_failure else f"show {run.pipeline}"
    return f"featurectl pipeline {act} --env {run.environment}"


class StageNotifications:
    """Sends messages, each in a thread of its own: a notifier that hangs holds no stage up."""

    def __init__(self, messages: StageMessages, stages: Mapping[str, PipelineStage], channel: OpenChannel) -> None:
        self._messages, self._stages, self._channel = messages, stages, channel
        self._threads: list[threading.Thread] = []
        self.failures: list[str] = []

    def ended(self, record: StageRecord) -> None:
        """Send what there is to send of a stage that has succeeded or failed."""
        stage = self._stages[record.name]
        for name in stage.on_success if record.state == "succeeded" else stage.on_failure:
            thread = threading.Thread(target=self._send, args=(name, self._messages.message(record)), daemon=True)
            thread.start()
            self._threads.append(thread)

    def wait(self) -> None:
        """Wait until all are sent, at most as long as one may take."""
        end = time.monotonic() + TOTAL_S
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))
        if any(thread.is_alive() for thread in self._threads):
            self.failures.append(f"a notifier has not answered within {TOTAL_S:.0f} s")

    def _send(self, name: str, message: IncidentMessage) -> None:
        for left in reversed(range(_TRIES)):
            try:
                within(TOTAL_S / _TRIES, lambda: self._channel(name).send(message))
            except (FeaturectlError, TimeoutError) as error:
                said = error.message if isinstance(error, FeaturectlError) else f"{error}"
                if left == 0 or not getattr(error, "again", isinstance(error, TimeoutError)):
                    self.failures.append(f"notifier {name} was not notified of {message.subject}: {said}")
                    return
                time.sleep(1.0)
            except Exception as error:  # noqa: BLE001 (whatever a channel meets: the run is what it is)
                self.failures.append(f"notifier {name} was not notified of {message.subject}: {type(error).__name__}")
                return
            else:
                return
