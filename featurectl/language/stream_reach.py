"""How far back the state of a view of a stream looks for copies of an event."""

from __future__ import annotations

from featurectl.language.definitions.stream import MOST_AHEAD_US, SETTLED_US
from featurectl.language.definitions.view import FeatureView


def repeat_reach_us(view: FeatureView) -> int | None:
    """Return how long after a copy of an event another one is known as a repeat of it; None: for ever.

    Of windows it is as long as events stay: the longest window with its offset, as far as an event may be dated ahead,
    and what an answer may look back. A lifetime keeps no events: what it aggregates is the same with a repeat. Of a
    state view the copy that counts is still there, or the repeat is older than the row that is.
    """
    if view.kind != "event":
        return None
    windows = [(feature.window_us or 0) + feature.offset_us for feature in view.features]
    return max(windows, default=0) + (view.hop_us or 0) + MOST_AHEAD_US + SETTLED_US
