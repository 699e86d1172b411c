"""What is online of views of streams: the `asof` of a register stands where other views have their last push."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from featurectl.core.units import from_us
from featurectl.language.definitions.json_form import load_source, load_view
from featurectl.language.same_events import reads_alike
from featurectl.online.base import PushRecord
from featurectl.online.stream_state.base import StreamPoll, StreamSource
from featurectl.online.stream_state.unread_views import BEING_MADE, UNMET
from featurectl.registry.state import ObjectVersion, State

StreamViews = Mapping[StreamSource, Sequence[tuple[str, int]]]  # view versions, by the stream that they are of


def stream_name(registered: ObjectVersion) -> str:
    """Return the name of the source that a view version is of, "" where that is no stream."""
    source = registered.definition.get("source")
    return str(source.get("name")) if isinstance(source, dict) and source.get("format") == "stream" else ""


def is_kept(state: State, registered: ObjectVersion) -> bool:
    """Return whether workers can keep a view version online: a pushed one is, one of a stream that reads as it did."""
    name = stream_name(registered)
    if not name or registered.current:
        return True
    source = state.current("source", name)
    return source is not None and reads_alike(load_view(registered.definition).source, load_source(source.definition))


def stream_views(state: State, env: str, places: Iterable[tuple[str, int]]) -> StreamViews:
    """Return those of some view versions that are of streams."""
    found: dict[StreamSource, list[tuple[str, int]]] = {}
    for place in places:
        item = state.view(*place)
        if item is not None and (name := stream_name(item)):
            source = StreamSource(project=state.project, env=env, source=name)
            found.setdefault(source, []).append(place)
    return found


def stream_record(asof_us: int) -> PushRecord:
    """Return what a view of a stream has in place of a push record: all events up to `asof_us` are in it."""
    asof = from_us(asof_us)
    return PushRecord(computed_at=asof, watermark=asof, newest_event=None, table_version=0, entities=0)


def polled_records(poll: StreamPoll, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], PushRecord | None]:
    """Return what a poll says of view versions of a stream: None of one that is not online."""
    record = stream_record(poll.asof) if poll.asof else None
    return {(name, number): record if f"{name}@{number}" in poll.live else None for name, number in places}


def absence(field: str, begun: Collection[str]) -> str:
    """Return in words that a view of a stream (`spend@1`) is not online, and why.

    `begun` are the views with lists that are read or being made.

    >>> absence("spend@1", {"spend@1"})
    'is not online: lists of it are being made'
    """
    return f"is not online: {BEING_MADE if field in begun else UNMET}"
