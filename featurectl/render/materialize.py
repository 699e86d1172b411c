"""What `materialize` did, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from featurectl.core.units import counted, format_count, format_instant, plural
from featurectl.engines.base import ERASED, SAME_AS_READ, TOO_LATE, CheckResult
from featurectl.engines.row_keys import LONG_KEY
from featurectl.operations.materialize.doubles import Doubles
from featurectl.operations.materialize.dry_run import Planned
from featurectl.operations.materialize.empty_parts import describe_empty
from featurectl.operations.materialize.materialize_views import ViewRun
from featurectl.operations.materialize.older_version import describe_history, history_document
from featurectl.operations.materialize.part_rows import describe_changed, to_mend
from featurectl.render.documents import json_of
from featurectl.render.error import error_json
from featurectl.render.table import NarrowForm, render_table
from featurectl.render.visible import in_one_line

_HEAD = ("view", "did", "rows read", "rows kept", "table", "pushed", "source up to")
_NARROW: Final = NarrowForm(left_out=("table", "rows read", "source up to"))


def render_runs(runs: Sequence[ViewRun], *, quiet: bool = False) -> str:
    """Return a table of what was done, what was dropped, and the totals; nothing when all failed.

    `quiet`: without notes on rows that equal each other, or that no time tells apart.
    """
    if not runs:
        return "No feature view is applied."
    if not any(run.done for run in runs):
        return ""
    lines = render_table(_HEAD, [_cells(run) for run in runs], narrow=_NARROW)
    for run in runs:
        for reason, count in sorted(run.made.dropped.items()) if run.made else ():
            mended = _how_mended(run, reason, count)
            why = "left out: erased" if reason == ERASED else f"dropped: {in_one_line(reason)}{mended}"
            lines.append(f"{run.label}: {count:,} {plural(count, 'row')} {why}")
        lines += (
            [f"{run.label}: {in_one_line(check.message)}" for check in run.made.checks if not check.passed]
            if run.made
            else []
        )
        notes = [*_notes(run), *([] if quiet or run.made is None else _of_doubles(run.made.doubles)), *run.notes]
        lines += [f"{run.label}: {in_one_line(note)}" for note in notes]
    return "\n".join([*lines, "", _totals(runs)])


def _how_mended(run: ViewRun, reason: str, count: int) -> str:
    """Return what stands behind the reason for which rows were dropped: what takes them, or which was the first."""
    them = plural(count, "it", "them")
    if reason == TOO_LATE:
        return f"; featurectl {to_mend(run.view, run.made.late_since if run.made else None)} takes {them}"
    if reason == LONG_KEY:
        return f" (first: {in_one_line(_key(run.made.long_key))})" if run.made and run.made.long_key else ""
    if reason == SAME_AS_READ:
        return f"; where files hold {them} twice, --since and --full do, too: give the source a `dedup_key`"
    return ""


def _notes(run: ViewRun) -> list[str]:
    """Return what there is to know of rows that are not as they should be, or lie later than now."""
    made = run.made
    if made is None:
        return []
    held, becomes = counted(made.held_rows, "row"), plural(made.held_rows, "becomes", "become")
    until = "" if made.events_until is None else format_instant(made.events_until)
    notes = [
        _of_changed(run.view, made.changed_parts, made.changed_since),
        f"{held} {becomes} known later than now: a later run takes {plural(made.held_rows, 'it', 'them')}",
        f"newer events lie ahead of now, until {until}",
    ]
    notes = [note for note, holds in zip(notes, (True, made.held_rows, until), strict=True) if note and holds]
    older = [describe_history(made.older)] if made.older else []
    empty = [describe_empty(made.empty_parts)] if made.empty_parts else []
    fewer = [f"{counted(made.fewer_rows, 'row')} fewer than before"] if made.fewer_rows else []
    return [*notes, *older, *fewer, *empty, *_of_gaps(made.gaps)]


def _of_gaps(gaps: Sequence[tuple[datetime, datetime]]) -> list[str]:
    """Return what there is to know of stamps that were lost: what was served is not what is in the table."""
    if not gaps:
        return []
    after, until = gaps[-1]
    others = f" (and {counted(len(gaps) - 1, 'earlier gap')})" * (len(gaps) > 1)
    between = f"between {format_instant(after)} and {format_instant(until)}"
    served = "events of then were served as of other instants than those in the table"
    return [f"the online store lost stamps of the stream {between}{others}: {served}"]


def _of_doubles(doubles: Doubles) -> list[str]:
    """Return what there is to know of rows of which each counts, or one by chance."""
    notes = []
    if doubles.equal:
        row, equals = counted(doubles.equal, "row"), plural(doubles.equal, "equals another", "equal others")
        counts = plural(doubles.equal, "both count", "all count")
        repeats = plural(doubles.equal, "it is a repeat", "they are repeats")
        notes.append(
            f"{row} {equals} in every column of the source, and {counts}: if {repeats}, as of exports that overlap, "
            "give the source a `dedup_key`"
        )
    if doubles.tied_keys:
        example = _key(doubles.tied_key)
        has = plural(doubles.tied_keys, "has", "have")
        notes.append(
            f"{counted(doubles.tied_keys, 'key')} {has} several rows that differ and that no time tells apart"
            f"{f' (first: {example})' * bool(example)}: which of them counts is left to their hash; give the source a "
            "`tiebreak`, or keep one row a key"
        )
    if doubles.copies:
        differs = plural(doubles.copies, "copy of an event differs", "copies of events differ")
        notes.append(
            f"{doubles.copies:,} {differs} from the one that counts, and no time tells them apart "
            f"(first: {_key(doubles.copied_event)}): which of them counts is left to their hash; give the source a "
            "`tiebreak`: the greatest counts"
        )
    return notes


def _key(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _of_changed(view: str, parts: Sequence[str], since: datetime | None) -> str:
    if not parts:
        return ""
    found = f"{describe_changed(parts)}, and in the table as they were"
    return f"{found}; featurectl {to_mend(view, since)} takes them as they are, --keep-changed leaves it at that"


def _totals(runs: Sequence[ViewRun]) -> str:
    written = sum(run.made.rows_written for run in runs if run.made)
    pushed = sum(run.pushed.rows_sent for run in runs if run.pushed)
    changed = sum(run.made is not None and run.made.action != "nothing" for run in runs)
    failed, skipped = sum(run.error is not None for run in runs), sum(run.skipped for run in runs)
    parts = [
        f"{changed} of {counted(len(runs), 'table')} changed",
        f"{written:,} {plural(written, 'row')} written",
        f"{pushed:,} online {plural(pushed, 'row')} sent",
        f"{counted(failed, 'view')} failed" if failed else "",
        f"{counted(skipped, 'view')} not tried" if skipped else "",
    ]
    return f"{', '.join(part for part in parts if part)}."


def run_json(run: ViewRun) -> dict[str, object]:
    """Return what was done for one view version ready for JSON."""
    return json_of(run_document(run))


def run_document(run: ViewRun) -> dict[str, object]:
    """Return what was done for one view version; `error` is None when nothing failed."""
    made, pushed = run.made, run.pushed
    return {
        "view": run.view,
        "version": run.version,
        "action": _action(run),
        "rows_read": made and made.rows_read,
        "rows_written": made and made.rows_written,
        "dropped": dict(made.dropped) if made else {},
        "long_key": dict(made.long_key) if made and made.long_key else None,
        "late_since": made and made.late_since,
        "changed_parts": list(made.changed_parts) if made else [],
        "changed_since": made and made.changed_since,
        "held_rows": made and made.held_rows,
        "events_until": made and made.events_until,
        "older_history": history_document(made.older) if made else None,
        "equal_rows": made and made.doubles.equal,
        "tied_keys": made and made.doubles.tied_keys,
        "tied_key": dict(made.doubles.tied_key) if made and made.doubles.tied_key else None,
        "differing_copies": made and made.doubles.copies,
        "differing_event": dict(made.doubles.copied_event) if made and made.doubles.copied_event else None,
        "fewer_rows": made and made.fewer_rows,
        "gaps": [{"after": after, "until": until} for after, until in made.gaps] if made else [],
        "empty_parts": list(made.empty_parts) if made else [],
        "checks": [_check_json(check) for check in made.checks] if made else [],
        "table_version": made and made.table_version,
        "watermark": made and made.watermark,
        "online_rows_sent": pushed and pushed.rows_sent,
        "online_keys": pushed and pushed.entities,
        "online_rows_lost": pushed and pushed.lost,
        "seconds": round(run.seconds, 3),
        "error": run.error and error_json(run.error),
    }


def render_planned(planned: Sequence[Planned]) -> str:
    """Return a table of what would be done."""
    if not planned:
        return "No feature view is applied."
    cells = [
        [
            f"{item.view}@{item.version}",
            item.action,
            f"{item.parts_read} of {item.parts}",
            "-" if item.begin is None else format_instant(item.begin),
            item.reason,
        ]
        for item in planned
    ]
    lines = render_table(("view", "would do", "parts read", "table begins", "because"), cells)
    for item in planned:
        if changed := _of_changed(item.view, item.changed_parts, item.changed_since):
            lines.append(f"{item.view}@{item.version}: {in_one_line(changed)}")
    return "\n".join([*lines, "", "Nothing was read or written: this is a dry run."])


def planned_json(item: Planned) -> dict[str, object]:
    """Return what would be done for one view version ready for JSON."""
    return json_of(planned_document(item))


def planned_document(item: Planned) -> dict[str, object]:
    """Return what would be done for one view version."""
    return {
        "view": item.view,
        "version": item.version,
        "action": item.action,
        "reason": item.reason,
        "parts_read": item.parts_read,
        "parts": item.parts,
        "begin": item.begin,
        "changed_parts": list(item.changed_parts),
        "changed_since": item.changed_since,
    }


def _check_json(check: CheckResult) -> dict[str, object]:
    return {
        "of": check.of,
        "check": check.label,
        "severity": check.severity,
        "passed": check.passed,
        "rows": check.rows,
        "failed": check.failed,
        "found": check.found,
    }


def _action(run: ViewRun) -> str:
    if run.made is not None:
        return run.made.action
    return "skipped" if run.skipped else "failed"


def _cells(run: ViewRun) -> list[str]:
    made = run.made
    if made is None:
        return [run.label, "not tried" if run.skipped else "FAILED", *["-"] * (len(_HEAD) - 2)]
    pushed = "-" if run.pushed is None else format_count(run.pushed.rows_sent)
    return [
        run.label,
        made.action,
        format_count(made.rows_read),
        format_count(made.rows_written),
        f"v{made.table_version}",
        "FAILED" if run.error is not None else pushed,
        "-" if made.watermark is None else format_instant(made.watermark),
    ]
