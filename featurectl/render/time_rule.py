"""The time rule of a view in one line: which rows answer for an instant t."""

from __future__ import annotations

from collections.abc import Iterable

from featurectl.core.units import format_duration
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView

_SIGNS = {"left": ("<=", "<"), "right": ("<", "<="), "both": ("<=", "<="), "none": ("<", "<")}


def render_time_rules(views: Iterable[FeatureView]) -> str:
    """Return a line per view, under a heading."""
    views = sorted(views, key=lambda view: view.name)
    width = max((len(view.name) for view in views), default=0)
    lines = [f"  {view.name.ljust(width)}  {time_rule(view)}" for view in views]
    return "\n".join(["Time rules (t: the instant that is asked about):", *lines])


def time_rule(view: FeatureView) -> str:
    """Return which rows a view's value at t is made of, and when a row counts as known."""
    if view.transform is not None:
        since = "" if view.ttl_us is None else f"t - {format_duration(view.ttl_us)} <= "
        return f"the latest row of {view.transform.function} with {since}event_time <= t and available_at <= t"
    if view.source.static:
        return "the row of the key, true and known at every t"
    known = _known(view.source)
    if view.kind == "event":
        low, high = _SIGNS[view.closed]
        start = "t - window" if view.hop_us is None else f"floor(t - window, {format_duration(view.hop_us)})"
        return f"all rows with {start} {low} event_time {high} t and {known}; windows {_windows(view)}"
    since = "" if view.ttl_us is None else f"t - {format_duration(view.ttl_us)} <= "
    return f"the latest row with {since}event_time <= t and {known}"


def _known(source: Source) -> str:
    if source.is_stream:
        return "taken by a worker up to t"
    if source.available_at is not None:
        return f"{source.available_at} <= t"
    if source.delay_us:
        return f"{source.event_time} + {format_duration(source.delay_us)} <= t"
    return f"known from {source.event_time} on"


def _windows(view: FeatureView) -> str:
    """Return the windows in order of length; with a `hop`, how much longer one can get than it says."""
    lengths = sorted({(f.window_us is None, f.window_us or 0, f.offset_us) for f in view.features})
    listed = ", ".join(
        ("lifetime" if lifetime else format_duration(length))
        + (f" ending {format_duration(offset)} ago" if offset else "")
        for lifetime, length, offset in lengths
    )
    if view.hop_us is None or all(lifetime for lifetime, _, _ in lengths):
        return f"{listed}, exact at any t" if view.source.is_stream else listed
    return f"{listed}, each less than {format_duration(view.hop_us)} longer"
