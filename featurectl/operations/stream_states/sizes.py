"""How much memory the state of a view of a stream takes, as its events are stored once they are compacted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP, decimal_parts
from featurectl.language.definitions.view import FeatureView

# Bytes in the online store, all in one place; they follow the row layout of docs/reference/online-store.md.
ENTITY_BYTES: Final = 120  # key, head and frontiers of an entity's list
EVENT_TIME_BYTES: Final = 5
AVAILABLE_BYTES: Final = 3
DEDUP_BYTES: Final = 8  # a hash of what names an event
TILE_BYTES: Final = 8  # the number of a step of `hop`, without its aggregates
TILE_VALUE_BYTES: Final = 16  # what a step keeps of an aggregate
INPUT_BYTES: Final[Mapping[str, int]] = {FLOAT64: 8, INT64: 8, TIMESTAMP: 8, DATE: 4, BOOL: 1}
DECIMAL_BYTES: Final = 16
OTHER_BYTES: Final = 16  # of a text, say


def event_bytes(view: FeatureView) -> int:
    """Return how much an event takes: its two times, the view's inputs, and a hash where repeats are looked for.

    >>> from featurectl.language.definitions.source import Source
    >>> source = Source(name="s", format="stream")
    >>> event_bytes(FeatureView(name="v", kind="event", entity=None, source=source, join={}, where=None, inputs=(),
    ...                         features=()))
    8
    """
    inputs = sum(_input_bytes(item.dtype) for item in view.inputs)
    return EVENT_TIME_BYTES + AVAILABLE_BYTES + (DEDUP_BYTES if view.source.dedup_key else 0) + inputs


def _input_bytes(dtype: str | None) -> int:
    if dtype is not None and decimal_parts(dtype) is not None:
        return DECIMAL_BYTES
    return INPUT_BYTES.get(dtype or "", OTHER_BYTES)


def state_bytes(view: FeatureView, events: int, entities: int = 1) -> int:
    """Return about how much the state of some entities takes that have so many events in all.

    An entity takes `ENTITY_BYTES`, an event what `event_bytes` says: of one float64 without a `dedup_key` 16. With a
    `hop` an entity keeps a step in place of the events in it, so at most as many as its longest window has.
    """
    if view.hop_us is None:
        return entities * ENTITY_BYTES + events * event_bytes(view)
    steps = min(events, entities * most_steps(view))
    kept = {(feature.op, feature.column) for feature in view.features}
    return entities * ENTITY_BYTES + steps * (TILE_BYTES + TILE_VALUE_BYTES * len(kept))


def longest_window_us(view: FeatureView) -> int:
    """Return how far back the windows of a view reach, their offsets included; 0 where all are lifetimes."""
    return max(((f.window_us or 0) + (f.offset_us if f.window_us else 0) for f in view.features), default=0)


def most_steps(view: FeatureView) -> int:
    """Return how many steps of its `hop` the longest window of a view can touch."""
    assert view.hop_us is not None
    return -(-longest_window_us(view) // view.hop_us) + 1
