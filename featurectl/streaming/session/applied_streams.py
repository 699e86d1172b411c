"""The streams that are applied, and the view versions that workers keep online of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from featurectl.core.errors import UsageError
from featurectl.language.definitions.json_form import load_model, load_source, load_untyped_view, load_view
from featurectl.language.definitions.model import views_read
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.same_events import reads_alike
from featurectl.online.client.stream_asof import stream_name
from featurectl.online.stream_state.base import StreamSource
from featurectl.registry.applied import not_applied, served_views
from featurectl.registry.state import State
from featurectl.streaming.erased_events import NO_STREAM_ERASURES, StreamErasures, stream_erasures


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedStream:
    """A stream's source, and the views that read it and are kept online, by `view@version`.

    `left_out` are older versions that a model is bound to, whose source reads events in another way than it does now.
    `outgoing` are older versions that readers are answered from until the newest can be read. `max_ages_us` says how
    old events may be on which models predict that read a view, in microseconds. `erased` is what was erased of the
    entities of all views that read it, in any version.
    """

    source: Source
    views: Mapping[str, FeatureView] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    outgoing: Mapping[str, FeatureView] = field(default_factory=dict)
    max_ages_us: Mapping[str, int] = field(default_factory=dict)
    erased: StreamErasures = NO_STREAM_ERASURES

    @property
    def kept(self) -> Mapping[str, FeatureView]:
        """All that are kept online: the views, and the outgoing ones."""
        return {**self.views, **self.outgoing}


def applied_streams(state: State) -> Mapping[str, AppliedStream]:
    """Return the streams that are applied, by the names of their sources.

    Raises:
        StoreError: FC604, a newer version has written a definition.
    """
    sources = [load_source(o.definition) for o in state.objects if o.kind == "source" and o.current]
    found: dict[str, AppliedStream] = {}
    ages = _max_ages_us(state)
    for source in sources:
        if not source.is_stream:
            continue
        views: dict[str, FeatureView] = {}
        left_out = []
        for item in served_views(state):
            view = load_view(item.definition)
            label = f"{item.name}@{item.version}"
            if view.source.name != source.name or not view.source.is_stream or not view.online:
                continue
            if reads_alike(view.source, source):
                views[label] = view
            else:
                left_out.append(label)
        own = {label: ages[view.name] for label, view in views.items() if view.name in ages}
        found[source.name] = AppliedStream(
            source=source,
            views=views,
            left_out=tuple(left_out),
            max_ages_us=own,
            erased=erased_of_stream(state, source.name),
        )
    return found


def erased_of_stream(state: State, source: str) -> StreamErasures:
    """Return what was erased of the entities of all views that read a stream, in any version."""
    if not state.erasures:
        return NO_STREAM_ERASURES
    items = [item for item in state.objects if item.kind == "feature_view" and stream_name(item) == source]
    return stream_erasures(state.erasures, [load_untyped_view(item.definition) for item in items])


def _max_ages_us(state: State) -> Mapping[str, int]:
    """Return how old events may be on which models predict that read a view, by its name."""
    ages: dict[str, int] = {}
    for item in state.objects:
        if item.kind == "model" and item.current:
            model = load_model(item.definition)
            if model.on_events is not None:
                ages |= {n: max(ages.get(n, 0), model.on_events.max_age_us) for n in views_read(model.inputs)}
    return ages


def reader_group(place: StreamSource) -> str:
    """Return the name of the group whose readers divide the partitions of a stream's topic.

    >>> reader_group(StreamSource(project="shop", env="dev", source="swipes"))
    'featurectl.shop.dev.swipes'
    """
    return f"featurectl.{place.project}.{place.env}.{place.source}"


def chosen_streams(state: State, names: Sequence[str]) -> Mapping[str, AppliedStream]:
    """Return the streams of some names, of all that are applied without names.

    Raises:
        UsageError: there is none of a name, or none at all.
    """
    streams = applied_streams(state)
    for name in names:
        if name in streams:
            continue
        if state.current("source", name) is not None:
            known = f"streams: {', '.join(streams)}" if streams else "no source that is applied is a stream"
            raise UsageError(f"source {name} is no stream", hint=known)
        raise not_applied(state, "source", name)
    if not streams:
        raise UsageError(
            f"no source that is applied in project {state.project} is a stream",
            hint="a source with `stream:` is one; featurectl apply registers it",
        )
    return {name: stream for name, stream in streams.items() if not names or name in names}
