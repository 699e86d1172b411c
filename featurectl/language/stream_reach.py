"""How far back the state of a view of a stream looks for copies of an event."""

from __future__ import annotations

from featurectl.language.definitions.stream import MOST_AHEAD_US, SETTLED_US
from featurectl.language.definitions.view import FeatureView


def repeat_reach_us(view: FeatureView) -> int:
    """Return how long after a copy of an event another one is known as a repeat of it.

    It is as long as events stay: the longest window with its offset, as far as an event may be dated ahead, and what
    an answer may look back. A lifetime and a state view keep no events for long: an equal copy changes neither.
    """
    windows = [f.window_us + f.offset_us for f in view.features if f.window_us is not None]
    return max(windows, default=0) + MOST_AHEAD_US + SETTLED_US
