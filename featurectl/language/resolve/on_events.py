"""Predictions on events -> their definition, and whether the events of a model's spine can be predicted."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import FeatureInput, Model
from featurectl.language.definitions.on_events import MAX_AGE_US, OnEvents
from featurectl.language.definitions.source import UNKNOWN_SOURCE, Source
from featurectl.language.definitions.stream import STAMP, Stream
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.on_events import OnEventsShape
from featurectl.language.shapes.training import ModelShape
from featurectl.language.topic_places import is_same_place


def on_events_of(shape: OnEventsShape | None) -> OnEvents | None:
    """Return where predictions on events go, as written; None of a model without."""
    if shape is None:
        return None
    return OnEvents(
        topic=shape.to.topic or "",
        url=shape.to.url or "",
        path=shape.to.path or "",
        where=None if shape.where is None else Expression(shape.where),
        max_age_us=MAX_AGE_US if shape.max_age is None else shape.max_age,
    )


def check_on_events(model: Model, shape: ModelShape, declared: Declarations) -> None:
    """Report FC318 for a model that can't be asked on events, and FC361 for one that is trained on other instants."""
    written, on_events, source = shape.on_events, model.on_events, model.spine.source
    if written is None or on_events is None or source is UNKNOWN_SOURCE:
        return
    place = shape.fields.keys["on_events"].place
    for message, note in _problems(model, on_events, source, declared):
        declared.report.error("FC318", message, place, note=note)
    if source.is_stream and model.spine.known_at != STAMP:
        message = f'model "{model.name}" is scored when an event was taken, and trained as if that was at its time'
        note = f"known_at: {STAMP} in the spine trains it on what is known when events are scored"
        declared.report.warning("FC361", message, shape.spine.fields.head, note=note)


def _is_own_topic(on_events: OnEvents, stream: Stream, declared: Declarations) -> bool:
    """Return whether predictions go to the very topic that the events are of, in any environment."""
    if on_events.topic != stream.topic:
        return False
    places = [(on_events.url or of, stream.url or of) for of in declared.topic_places or ("",)]
    return on_events.url == stream.url or any(is_same_place(to, own) for to, own in places)


def _problems(model: Model, on_events: OnEvents, source: Source, declared: Declarations) -> Sequence[tuple[str, str]]:
    if source.stream is None:
        message = f'source "{source.name}" of the spine is no stream: there are no events to be predicted'
        return [(message, "a source with `stream:` is one")]
    found = []
    if model.spine.time != source.event_time:
        message = f'the spine\'s time is "{model.spine.time}", and events are scored as of their event_time'
        found.append((message, f"time: {source.event_time}"))
    if _is_own_topic(on_events, source.stream, declared):
        message = f'predictions in topic "{on_events.topic}" would be events of the model\'s own source'
        found.append((message, "write another topic"))
    views = {item.view for item in model.inputs if isinstance(item, FeatureInput)}
    offline = [name for name in sorted(views) if name in declared.views and not declared.views[name].online]
    if offline:
        message = f"events are scored by what is online, and {', '.join(offline)} is offline only"
        found.append((message, 'leave "online: false" out of it'))
    return found
