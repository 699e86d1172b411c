"""Checks of the data over time, as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.units import counted, format_count, format_instant, format_iso
from featurectl.monitor.checks import CheckHistory
from featurectl.render.table import NarrowForm, render_table

_HEAD: Final = ("of", "check", "severity", "state", "rows failed", "as of", "results")
_NARROW: Final = NarrowForm(left_out=("severity", "as of"))
_SHOWN: Final = 20


def render_checks(found: Sequence[CheckHistory], *, whole: bool) -> str:
    """Return a table with a row per check: its last result, and the last 20 of them, the newest at the right.

    A dot is a result that passed, an F one that failed; with `whole` each of the failed ones is described below.
    """
    if not found:
        return "No check is applied."
    failing = sum(history.failing for history in found)
    silent = sum(history.last is None for history in found)
    ends = [f"{counted(len(found), 'check')}", f"{failing} failed the last time"]
    ends += [f"{silent} with no result on record"] if silent else []
    rows = [_cells(history) for history in found]
    lines = [*render_table(_HEAD, rows, narrow=_NARROW), "", ", ".join(ends) + "."]
    if whole and (details := [line for history in found for line in _failures(history)]):
        lines += ["", *details]
    return "\n".join(lines)


def check_json(history: CheckHistory) -> dict[str, object]:
    """Return a check with its results, the oldest first, ready for JSON."""
    return {
        **check_document(history),
        "results": [
            {
                "now": format_iso(at.now),
                "view": at.view,
                "version": at.version,
                "passed": at.result.passed,
                "rows": at.result.rows,
                "failed": at.result.failed,
            }
            for at in history.results
        ],
    }


def check_document(history: CheckHistory) -> dict[str, object]:
    """Return what is said of a check, and whether it passed the last time; None: it has no result."""
    return {
        "of": history.of,
        "check": history.label,
        "severity": history.severity,
        "passed": None if history.last is None else history.last.result.passed,
    }


def _cells(history: CheckHistory) -> list[str]:
    last = history.last
    if last is None:
        return [history.of, history.label, history.severity, "-", "-", "-", "-"]
    state = "OK" if last.result.passed else "FAILED"
    drawn = "".join("." if at.result.passed else "F" for at in history.results[-_SHOWN:])
    rows = f"{format_count(last.result.failed)} of {format_count(last.result.rows)}"
    return [history.of, history.label, history.severity, state, rows, format_instant(last.now), drawn]


def _failures(history: CheckHistory) -> list[str]:
    failed = [at for at in history.results if not at.result.passed]
    return [
        f"{format_instant(at.now)}  {at.view}@{at.version}  {history.of}: {history.label}: "
        f"{format_count(at.result.failed)} of {counted(at.result.rows, 'row')}"
        for at in failed
    ]
