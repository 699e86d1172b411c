"""What is true of a view of events, by plain Python over the rows of the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featurectl.core.units import from_us, instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.event_log import OFFSET, PARTITION, STAMP
from featurectl.online.stream_state.layout import layout_of
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was answered of an entity in a view, as of an instant."""

    view: str
    key: str
    at_us: int
    values: Mapping[str, object] | None


def true_values(rows: list[dict[str, object]], answered: Answered, view: FeatureView) -> Mapping[str, object] | None:
    """What a training set says, by plain Python over the rows of the log."""
    [key] = view.keys
    known = [
        {
            **row,
            key: row[view.join[key]],
            "event_time": row["at"],
            "available_at": row[STAMP],
            "tie_order": (row[PARTITION], row[OFFSET]),
        }
        for row in without_repeats(rows, view)
    ]
    spine = [{key: answered.key, "t": from_us(answered.at_us)}]
    if view.kind == "state":
        questions = [StateQuestion(name=f.name, column=str(f.column)) for f in view.features]
        found = states_naively(known, spine, keys=[key], time="t", questions=questions, ttl_us=view.ttl_us)[0]
        return None if found["event_time"] is None else {f.name: found[f.name] for f in view.features}
    windows = [
        WindowQuestion(name=f.name, op=f.op, column=f.column, window_us=f.window_us, n=f.n) for f in view.features
    ]
    return windows_naively(known, spine, keys=[key], time="t", questions=windows)[0]


def without_repeats(rows: list[dict[str, object]], view: FeatureView) -> list[dict[str, object]]:
    """The rows of the view's entities without copies that became available within its reach of the copy before."""
    [key] = view.keys
    reach_us, before, found = layout_of(view).reach_us, dict[tuple[object, object], int](), list[dict[str, object]]()
    for row in sorted(rows, key=lambda row: (row[STAMP], row["at"], row[PARTITION], row[OFFSET])):
        if view.where is not None and not float(str(row["arr_delay"] or 0)) > 0:
            continue
        stamp = row[STAMP]
        assert hasattr(stamp, "timestamp")
        stamp_us = instant_us(stamp)  # type: ignore[arg-type]
        name = row[key], row["swipe"]
        is_named = bool(view.source.dedup_key) and row["swipe"] is not None
        last = before.get(name) if is_named else None
        before[name] = stamp_us
        if last is None or stamp_us - last > reach_us:
            found.append(row)
    return found


def same(values: Mapping[str, object] | None, truth: Mapping[str, object] | None) -> bool:
    """Whether values are true; sums and means of floats to 1e-9."""
    if values is None or truth is None:
        return values == truth
    for name, wanted in truth.items():
        value = values[name]
        if isinstance(wanted, float) and isinstance(value, float):
            if abs(value - wanted) > 1e-9 * max(1.0, abs(wanted)):
                return False
        elif value != wanted:
            return False
    return True
