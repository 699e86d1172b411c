"""A run of a pipeline on stderr: a living table on a terminal, lines with the name of their stage elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from featurectl.core.units import format_age, parse_instant
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from featurectl.cli.shared.call import Call
    from featurectl.pipelines.reports import RunReport, StageRecord

_FRAME_S: Final = 0.2
_BESIDE: Final = 2  # columns for the ^C of Ctrl-C: in the next line it would be in the way when the table is erased
_STYLES: Final = {"succeeded": "green", "failed": "red", "running": "bold", "skipped": "dim", "stopped": "yellow"}
_MICROSECONDS: Final = 1_000_000


class QuietRunReport:
    """Says nothing."""

    def changed(self, stage: StageRecord, text: str) -> None:
        """Do nothing."""

    def wrote(self, stage: str, line: str) -> None:
        """Do nothing."""

    def look(self, stages: Mapping[str, StageRecord]) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class PlainRunReport(QuietRunReport):
    """Writes a line for each change of a stage, and for each line that it writes."""

    def __init__(self, call: Call) -> None:
        self._progress = call.progress

    def changed(self, stage: StageRecord, text: str) -> None:
        """Write what there is to say of a stage."""
        if text:
            self._progress.done(f"{stage.name}: {text}")

    def wrote(self, stage: str, line: str) -> None:
        """Write a line of a stage behind its name."""
        if line.strip():
            self._progress.done(f"{stage} | {line}")

    def note(self, text: str) -> None:
        """Write it."""
        self._progress.done(text)


class LiveRunReport(QuietRunReport):
    """Draws a table of the stages: state, time, and the last line that each wrote."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._lines: dict[str, str] = {}
        self._drawn_s = 0.0

    def changed(self, stage: StageRecord, text: str) -> None:
        """Keep what there is to say of a stage as its last line."""
        if text:
            self._lines[stage.name] = text

    def wrote(self, stage: str, line: str) -> None:
        """Keep a line of a stage as its last one."""
        if line.strip():
            self._lines[stage] = in_one_line(line.strip())

    def look(self, stages: Mapping[str, StageRecord]) -> None:
        """Draw the table, some times a second."""
        if time.monotonic() - self._drawn_s >= _FRAME_S or all(stage.ended for stage in stages.values()):
            self._drawn_s = time.monotonic()
            self._live.update(self._table(stages), refresh=True)

    def note(self, text: str) -> None:
        """Write it above the table."""
        self._live.console.print(in_one_line(text), markup=False, highlight=False)

    def _table(self, stages: Mapping[str, StageRecord]) -> Table:
        from rich.table import Table
        from rich.text import Text

        width = max(self._live.console.width - _BESIDE, 1)  # without one a long line shrinks all columns
        table = Table(box=None, pad_edge=False, width=width)
        for head in ("stage", "state", "time"):
            table.add_column(head, no_wrap=True)
        table.add_column("last line", no_wrap=True, overflow="ellipsis", ratio=1)
        for name, stage in stages.items():
            state = Text(stage.state, style=_STYLES.get(stage.state, ""))
            table.add_row(name, state, _length(stage), Text(self._lines.get(name, "")))
        return table


def _length(stage: StageRecord) -> str:
    began = parse_instant(stage.began) if stage.began else None
    if began is None:
        return ""
    ended = parse_instant(stage.ended) if stage.ended and stage.state != "running" else None
    last_s = ended.timestamp() if ended else time.time()
    return format_age(round(max(last_s - began.timestamp(), 0) * _MICROSECONDS))


@contextmanager
def open_run_report(call: Call) -> Iterator[RunReport]:
    """Give the report that fits: none when quiet, a living table on a terminal, plain lines elsewhere."""
    if call.quiet or sys.stderr is None:  # None: the caller has closed it
        yield QuietRunReport()
        return
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield PlainRunReport(call)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, no_color=True if os.environ.get("NO_COLOR") or call.color == "never" else None)
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield LiveRunReport(live)
