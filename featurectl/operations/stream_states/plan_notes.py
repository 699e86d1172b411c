"""What a plan says of the states of streams: their events an entity, the memory that they take, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import DataError, UsageError
from featurectl.core.units import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    counted,
    format_bytes,
    format_count,
    format_duration,
)
from featurectl.language.definitions.aggregates import AGGREGATES

if TYPE_CHECKING:
    from featurectl.language.definitions.view import FeatureView
    from featurectl.operations.stream_states.event_counts import EventCounts
    from featurectl.plan.plan import Change, Plan
    from featurectl.workspace.workspace import Workspace

MOST_EVENTS: Final = 4_096  # of an entity that an answer reads one by one without being slow
_MOST_BYTES: Final = 4 << 30  # of a history that a plan reads, where a column is read without the others
_MOST_TEXT: Final = 1 << 30  # of another one
_HOPS: Final = tuple(
    count * unit
    for unit, counts in ((DAY_US, (7, 1)), (HOUR_US, (6, 1)), (MINUTE_US, (15, 5, 1)), (SECOND_US, (10, 1)))
    for count in counts
)


def note_states(plan: Plan, workspace: Workspace) -> Plan:
    """Return a plan whose changes of views of streams say what their states hold, where a history tells that here."""
    return replace(plan, changes=tuple(_noted(change, workspace) for change in plan.changes))


def _noted(change: Change, workspace: Workspace) -> Change:
    view = workspace.repo.views.get(change.name) if change.computes else None
    if view is None or view.source.history is None or view.kind != "event" or not view.online:
        return change
    counts = _count(view, workspace)
    return change if counts is None else replace(change, notes=(*change.notes, *state_notes(view, counts)))


def _count(view: FeatureView, workspace: Workspace) -> EventCounts | None:
    """Return the events an entity of a history in files; None where it is elsewhere, large, or can't be read here."""
    from featurectl.operations.stream_states.event_counts import count_events
    from featurectl.sources.failures import reading
    from featurectl.sources.open import open_source

    history = view.source.history
    assert history is not None
    if history.sql is not None:
        return None
    try:
        reader = open_source(history, workspace.root)
        parts = reader.parts()
        size = reader.size_bytes(parts)
        if size is None or size > (_MOST_BYTES if reader.counts_rows else _MOST_TEXT):
            return None
        with reading(f"source {history.name}"):
            return count_events(reader.scan(parts), history, view)
    except (DataError, UsageError):  # who reads it says why
        return None


def state_notes(view: FeatureView, counts: EventCounts) -> Iterator[str]:
    """Give what is to know of a state: its events an entity with its memory, and what to do where they are many."""
    from featurectl.operations.stream_states.sizes import state_bytes

    history = view.source.history
    assert history is not None
    of_all = f", of one in {counts.one_in}" if counts.one_in > 1 else ""
    events = f"{counted(counts.middle, 'event')} of an entity in {format_duration(counts.window_us)}"
    most = f"99.9 %: {format_count(counts.most_of_999)}, greatest: {format_count(counts.greatest)}{of_all}"
    size = format_bytes(state_bytes(view, counts.events, counts.entities))
    entities = counted(counts.entities, "entity", "entities")
    yield f"{events} ({most}) at the end of {history.name}: the state of {entities} takes about {size}"
    if counts.greatest > MOST_EVENTS and view.hop_us is None:
        yield f"an answer of an entity reads all of its {format_count(counts.greatest)} events: {_advice(view)}"


def _advice(view: FeatureView) -> str:
    """Return how a view comes to fewer rows an entity."""
    if view.source.dedup_key:
        return "a `hop` would keep steps in their place, and needs a source without `dedup_key`"
    if other := sorted({feature.op for feature in view.features if not AGGREGATES[feature.op].folds}):
        return f"a `hop` would keep steps in their place, and goes without {', '.join(other)}"
    shortest = min(feature.window_us for feature in view.features if feature.window_us is not None)
    hop = next((hop for hop in _HOPS if hop * 4 <= shortest), None)
    if hop is None:
        return "windows as short as these have no `hop`; give the view a `where`, or a finer entity"
    text = format_duration(hop)
    return f"`hop: {text}` keeps steps in their place, with windows less than {text} longer"
