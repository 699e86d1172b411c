"""Where the parts of a source begin: by the event times and the availability of their rows that were read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from featurectl.engines.spans import PartRows, as_instant
from featurectl.offline.base import Coverage

Ends = tuple[datetime, datetime]


def begins_of(rows: PartRows) -> Ends | None:
    """Return the least event time and the least availability of a part's rows; None: there are none, or not known."""
    if rows.events.first is None or rows.known.first is None:
        return None
    return as_instant(rows.events.first), as_instant(rows.known.first)


def has_begun(coverage: Coverage, name: str) -> Ends | None:
    """Return where a part began before anything was cut off of what a table has read of it; None: not known."""
    rows = coverage.part_rows.get(name)
    return coverage.cut_parts.get(name) or (None if rows is None else begins_of(rows))


def changed_since(coverage: Coverage) -> datetime | None:
    """Return from which event time on rows that changed or went can be taken as they are; None: there are none.

    That is where the first of them happened, but not before what was read last of the source begins: a range of before
    that would lose what the table alone has, and is refused.
    """
    if coverage.changed_events is None:
        return None
    begins = [ends[0] for rows in coverage.part_rows.values() if (ends := begins_of(rows)) is not None]
    return max(coverage.changed_events[0], min(begins)) if begins else coverage.changed_events[0]


def still_cut(before: Coverage, now: Mapping[str, PartRows]) -> dict[str, Ends]:
    """Return the parts that begin later than they once did, with where that was; `now` are those of a coverage."""
    cut = {}
    for name, rows in now.items():
        begun, begins = has_begun(before, name), begins_of(rows)
        if begun is None or (begins is not None and begins[0] <= begun[0] and begins[1] <= begun[1]):
            continue
        cut[name] = begun if begins is None else (min(begun[0], begins[0]), min(begun[1], begins[1]))
    return cut
