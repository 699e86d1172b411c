"""Freshness as people read it, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from featurectl.core.units import format_age, format_bytes, format_count, format_instant
from featurectl.monitor.freshness import FreshnessRow, age_at
from featurectl.monitor.sizes import StoredSize
from featurectl.monitor.status import NOT_MATERIALIZED, NOT_PUSHED
from featurectl.render.catalog import sla
from featurectl.render.documents import json_of
from featurectl.render.table import NarrowForm, render_table

_HEAD = ("view", "last event", "age", "SLA (warn/error)", "state", "version", "rows", "online keys", "computed")
_NARROW: Final = NarrowForm(left_out=("computed", "last event", "rows", "version"))
_SIZES = ("stored", "files", "size")
_AGES = ("view", "newest event", "newest available", "computed", "stale entities")


def render_status(rows: Sequence[FreshnessRow], *, verbose: bool = False) -> str:
    """Return the table of `status` with its last line.

    Features with SLAs of their own are below their views: those that break them, with `verbose` all.
    """
    shown = [row for row in rows if verbose or row.kind != "feature" or row.verdict != "OK"]
    lines = render_table(_HEAD, [_cells(row) for row in shown], narrow=_NARROW)
    counts = Counter(row.verdict for row in shown)
    ends = [f"{counts[v]} {v.lower()}" for v in ("OK", "WARN", "STALE", "ERROR") if counts[v] or v == "OK"]
    return "\n".join([*lines, "", ", ".join(ends) + ".", *_next(rows)])


def render_restored(places: Sequence[str]) -> str:
    """Return what to do about places that are older than an erasure."""
    return (
        f"{' and '.join(places)}: restored from before an erasure, or of an environment that was not cleaned; erased "
        "keys may be there again: `featurectl erase --again`."
    )


def render_unfinished(erasures: int) -> str:
    """Return what to do about erasures that were cut."""
    these = "1 erasure is" if erasures == 1 else f"{erasures} erasures are"
    removes = "`featurectl erase --again` removes what is there still, or says where a key is to be erased once more"
    return f"{these} not finished: {removes}."


def _next(rows: Sequence[FreshnessRow]) -> list[str]:
    """Return what to run where views serve nothing yet, or nothing any more; not where that was tried and failed."""
    if any(row.error.startswith(NOT_MATERIALIZED) and not row.failed_run for row in rows):
        return ["Next: `featurectl materialize` computes and pushes what is not there yet."]
    if any(row.error.startswith(NOT_PUSHED) and not row.failed_run for row in rows):
        return ["Next: `featurectl push` sends all rows of what the store has no push of."]
    return []


def render_ages(rows: Sequence[FreshnessRow], now: datetime) -> str:
    """Return the three ages of each row, and the share of its entities that are stale."""
    return "\n".join(render_table(_AGES, [_ages(row, now) for row in rows if row.kind != "feature"]))


def render_sizes(sizes: Sequence[StoredSize]) -> str:
    """Return how much room everything takes, versions that are kept included."""
    rows = [
        [s.what, "-" if s.files is None else format_count(s.files), "-" if s.size is None else format_bytes(s.size)]
        for s in sizes
    ]
    return "\n".join(render_table(_SIZES, rows))


def status_json(row: FreshnessRow, now: datetime) -> dict[str, object]:
    """Return a row ready for JSON."""
    return json_of(status_document(row, now))


def status_document(row: FreshnessRow, now: datetime) -> dict[str, object]:
    """Return what is said of a row: ages in seconds."""
    bound = row.freshness
    return {
        "kind": row.kind,
        "name": row.name,
        "state": row.verdict,
        "version": row.version,
        "last_event": row.last_event,
        "last_available": row.last_available,
        "age_seconds": _seconds(row.age_us),
        "event_age_seconds": _seconds(age_at(now, row.last_event)),
        "computed_age_seconds": _seconds(age_at(now, row.computed_at)),
        "over_seconds": _seconds(row.over_us),
        "warn_after_seconds": _seconds(bound.warn_after_us) if bound else None,
        "error_after_seconds": _seconds(bound.error_after_us) if bound else None,
        "rows": row.rows,
        "online_keys": row.online_keys,
        "computed_at": row.computed_at,
        "entities": row.entities,
        "stale_entities": row.stale_entities,
        "stale_share": row.stale_share,
        "lost_rows": row.lost,
        "late_rows": row.late_rows,
        "changed_parts": list(row.changed_parts),
        "failed_run": row.failed_run or None,
        "error": row.error or None,
        "note": row.note or None,
    }


def _cells(row: FreshnessRow) -> list[str]:
    name = _named(row)
    if row.error:
        said = ", ".join(text for text in (row.error, row.failed_run) if text)
        return [name, "-", "-", sla(row.freshness), row.verdict, said]
    cells = [
        name,
        "-" if row.last_event is None else format_instant(row.last_event),
        _length(row.age_us),
        sla(row.freshness),
        row.verdict,
        "-" if row.version is None else str(row.version),
        "-" if row.rows is None else format_count(row.rows),
        "-" if row.online_keys is None else format_count(row.online_keys),
        "-" if row.computed_at is None else format_instant(row.computed_at),
    ]
    behind = [f"+{format_age(row.over_us)} over" if row.over_us else "", row.note]
    return [*cells, ", ".join(text for text in behind if text)] if any(behind) else cells


def _ages(row: FreshnessRow, now: datetime) -> list[str]:
    clocks = (row.last_event, row.last_available, row.computed_at)
    return [_named(row), *(_length(age_at(now, clock)) for clock in clocks), _stale(row)]


def _stale(row: FreshnessRow) -> str:
    if row.stale_entities is None or row.entities is None:
        return "-"
    share = f" ({row.stale_share:.1%})" if row.stale_share is not None else ""
    return f"{format_count(row.stale_entities)} of {format_count(row.entities)}{share}"


def _named(row: FreshnessRow) -> str:
    names = {"view": row.name, "source": f"{row.name} (source)", "feature": f"  {row.name.partition(':')[2]}"}
    return names[row.kind]


def _length(length_us: int | None) -> str:
    return "-" if length_us is None else format_age(length_us)


def _seconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / 1_000_000
