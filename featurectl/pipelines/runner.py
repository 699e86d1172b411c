"""Runs the stages of a pipeline side by side, as far as their needs and this machine let them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from featurectl.core.stop_request import StopRequest
from featurectl.core.units import format_age, format_iso
from featurectl.language.definitions.pipelines import PipelineStage
from featurectl.offline.pipeline_records import StageRecord, StageState
from featurectl.pipelines.ends import end_of
from featurectl.pipelines.order import ready_stages
from featurectl.pipelines.reports import RunReport
from featurectl.pipelines.retries import can_pass, wait_s
from featurectl.pipelines.room import MachineRoom
from featurectl.pipelines.stage_commands import RunArguments, StageCommands, stage_commands, stage_environ
from featurectl.pipelines.stage_run import RunFolder, StageRun, Tether

_POLL_S: Final = 0.01
_SAID_S: Final = 5.0  # of a stage that can't begin for want of room
_READ_S: Final = 0.1  # between two looks at what stages write
_OVER: Final = ("succeeded", "failed", "skipped", "stopped")
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where stages run, with what, and where their files are; `commands` makes the command lines of a stage."""

    arguments: RunArguments
    folder: RunFolder
    tether: Tether
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    commands: StageCommands = stage_commands


@dataclass(slots=True)
class _Attempt:
    """The running processes of a stage, one for each part of it."""

    runs: list[StageRun]
    began: float
    codes: list[int | None]
    timed_out: bool = False
    ending: bool = False
    broken: str = ""  # why a part of it could not be started

    def end(self) -> None:
        self.ending = True
        for run in self.runs:
            run.end()


class PipelineRunner:
    """Runs stages until all are over; `ended` is called with the record of each that has succeeded or failed.

    `kept` is called with all records whenever one of them changes.
    """

    def __init__(
        self,
        stages: Sequence[PipelineStage],
        done: Mapping[str, StageRecord],
        place: RunPlace,
        room: MachineRoom,
        report: RunReport,
    ) -> None:
        self._stages = {stage.name: stage for stage in stages}
        self.records = {name: done.get(name, StageRecord(name=name)) for name in self._stages}
        self._place, self._room, self._report = place, room, report
        self._running: dict[str, _Attempt] = {}
        self._not_before: dict[str, float] = {}
        self._kept_back: dict[str, float] = {}
        self._read, self._reads = 0.0, False
        self.ended: Callable[[StageRecord], None] = lambda _: None
        self.kept: Callable[[Mapping[str, StageRecord]], None] = lambda _: None

    def run(self, stop: StopRequest) -> None:
        """Run all stages that are not over yet."""
        self.kept(self.records)
        while any(record.state not in _OVER for record in self.records.values()):
            if stop.is_set():
                self._stop()
            else:
                self._skip()
                self._start_ready()
            self._reads = time.monotonic() - self._read >= _READ_S
            self._read = time.monotonic() if self._reads else self._read
            for name, attempt in list(self._running.items()) if not stop.is_set() else []:
                self._look_at(self._stages[name], attempt)
            self._report.look(self.records)
            time.sleep(_POLL_S)
        self._report.look(self.records)

    def _change(self, record: StageRecord, text: str) -> None:
        self.records[record.name] = record
        self._report.changed(record, text)
        self.kept(self.records)

    def _names(self, *states: str) -> set[str]:
        return {name for name, record in self.records.items() if record.state in states}

    def _skip(self) -> None:
        """Leave out what needs a stage that did not succeed."""
        broken = self._names("failed", "skipped", "stopped")
        for stage in self._stages.values():
            lost = [name for name in stage.needs if name in broken]
            if lost and self.records[stage.name].state == "waiting":
                cause = f"{', '.join(lost)} did not succeed"
                self._change(replace(self.records[stage.name], state="skipped", cause=cause), f"skipped: {cause}")

    def _start_ready(self) -> None:
        begun = self._names("running", *_OVER)
        for stage in ready_stages(self._stages.values(), self._names("succeeded"), begun):
            if time.monotonic() < self._not_before.get(stage.name, 0.0):
                continue
            if self._room.take(stage.name, stage.resources):
                self._start(stage)
            elif time.monotonic() - self._kept_back.setdefault(stage.name, time.monotonic()) > _SAID_S:
                self._kept_back[stage.name] = math.inf
                self._report.changed(self.records[stage.name], "waits for processors or memory that others have")

    def _start(self, stage: PipelineStage) -> None:
        number = self.records[stage.name].attempts + 1
        folder, runs = self._place.folder, list[StageRun]()
        commands = self._place.commands(stage, self._place.arguments)
        for place, command in enumerate(commands):
            part = place + 1 if len(commands) > 1 else 0
            run = StageRun(command, folder.log(stage.name, number, part), folder.result(stage.name, number, part))
            try:
                run.start(self._place.tether, self._place.arguments.root, stage_environ(stage, self._place.environ))
            except OSError as error:  # no room for its log, say, or for a process
                self._give_up(stage, number, runs, error.strerror or str(error))
                return
            runs.append(run)
        self._running[stage.name] = _Attempt(runs=runs, began=time.monotonic(), codes=[None] * len(runs))
        lacks = self._room.lacks(stage.resources)
        alone = f" (asks for {lacks}: it gets all there is)" if lacks else ""
        begun = StageRecord(
            name=stage.name,
            state="running",
            attempts=number,
            began=format_iso(datetime.now(UTC)),
            log=str(folder.log(stage.name, number)),
        )
        again = f"attempt {number}: " if number > 1 else ""
        self._change(begun, f"{again}{stage.run}{alone}")

    def _give_up(self, stage: PipelineStage, number: int, begun: list[StageRun], reason: str) -> None:
        """Take note that a stage can't be started; parts of it that were are ended, and waited for."""
        now = format_iso(datetime.now(UTC))
        record = StageRecord(name=stage.name, state="running", attempts=number, began=now)
        self._change(record, f"can't be started: {reason}")
        attempt = _Attempt(runs=begun, began=time.monotonic(), codes=[None] * len(begun), broken=reason)
        attempt.end()
        self._running[stage.name] = attempt

    def _look_at(self, stage: PipelineStage, attempt: _Attempt) -> None:
        for place, run in enumerate(attempt.runs):
            if attempt.codes[place] is None:
                attempt.codes[place] = run.poll()
                if attempt.codes[place] is not None or self._reads:
                    for line in run.new_lines(whole=attempt.codes[place] is not None):
                        self._report.wrote(stage.name, line)
        late = stage.timeout_us is not None and time.monotonic() - attempt.began > stage.timeout_us / _SECOND
        failed = [code for code in attempt.codes if code]
        if all(code is not None for code in attempt.codes):
            self._finish(stage, attempt)
        elif not attempt.ending and (late or failed):
            attempt.timed_out = late
            attempt.end()

    def _finish(self, stage: PipelineStage, attempt: _Attempt) -> None:
        del self._running[stage.name]
        self._room.give_back(stage.name)
        before = self.records[stage.name]
        code = next((code for code in attempt.codes if code), 0)
        ended = end_of(before.began, time.monotonic() - attempt.began)
        if attempt.broken:
            self._close(replace(before, state="failed", ended=ended, cause=attempt.broken), "")
            return
        cause = next((run.last_lines() for run, c in zip(attempt.runs, attempt.codes, strict=True) if c), "")
        record = replace(before, ended=ended, exit_code=code, timed_out=attempt.timed_out, cause=cause)
        length = format_age(round((time.monotonic() - attempt.began) * _SECOND))
        if code == 0 and not attempt.timed_out:
            self._close(replace(record, state="succeeded"), f"succeeded after {length}")
            return
        how = f"{ended_with(record)} after {length}"
        if can_pass(code, timed_out=attempt.timed_out) and record.attempts <= stage.retries:
            wait = wait_s(record.attempts)
            self._not_before[stage.name] = time.monotonic() + wait
            self._change(replace(record, state="waiting"), f"{how}; tried again in {wait:.0f} s")
            return
        self._close(replace(record, state="failed"), how)

    def _close(self, record: StageRecord, text: str) -> None:
        self._change(record, text)
        self.ended(record)

    def _stop(self) -> None:
        for name in self._names("waiting"):
            self._change(replace(self.records[name], state="stopped"), "")
        for name, attempt in list(self._running.items()):
            if not attempt.ending:
                self._read_lines(name, attempt, self._report.wrote)
                attempt.end()
            polled = zip(attempt.codes, attempt.runs, strict=True)
            attempt.codes = [run.poll() if code is None else code for code, run in polled]
            if all(code is not None for code in attempt.codes):
                del self._running[name]
                self._room.give_back(name)
                self._read_lines(name, attempt, self._note_line)  # which say what goes on without it
                state: StageState = "stopped" if any(attempt.codes) else "succeeded"
                ended = end_of(self.records[name].began, time.monotonic() - attempt.began)
                self._change(replace(self.records[name], state=state, ended=ended), state)

    def _read_lines(self, name: str, attempt: _Attempt, take: Callable[[str, str], None]) -> None:
        for run, code in zip(attempt.runs, attempt.codes, strict=True):
            for line in run.new_lines(whole=code is not None):
                take(name, line)

    def _note_line(self, name: str, line: str) -> None:
        if line.strip():
            self._report.note(f"{name} | {line}")


def ended_with(record: StageRecord) -> str:
    """Return how a stage ended, in words."""
    if record.timed_out:
        return "ended by its timeout"
    if record.exit_code is None:
        return "not started"
    code = record.exit_code or 0
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"
