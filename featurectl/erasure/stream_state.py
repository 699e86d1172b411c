"""What lists of streams' views hold of erased keys, in the online store of an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.online_store import known_keys
from featurectl.erasure.stream_logs import erased_streams
from featurectl.language.definitions.json_form import load_view
from featurectl.online.list_marks import read_list_mark, write_list_mark
from featurectl.online.row_places import online_view
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.session.applied_streams import erased_of_stream

if TYPE_CHECKING:
    from featurectl.language.definitions.view import FeatureView
    from featurectl.online.base import OnlineView
    from featurectl.online.stream_state.protocols import StreamConnection, StreamState
    from featurectl.streaming.erased_lists import ErasedLists
    from featurectl.streaming.session.applied_streams import AppliedStream

Act = Callable[["ErasedLists", "StreamConnection", str, Sequence[bytes]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenedState:
    """The state of a stream, with what removes from its lists."""

    request: ErasureRequest
    stream: AppliedStream
    place: StreamSource
    state: StreamState
    connection: StreamConnection
    lists: ErasedLists
    views: Mapping[str, FeatureView]  # that have lists, and are registered


class StreamStatePlace:
    """The lists of all views of streams. It comes after the logs: what is in neither workers take again."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many lists there are."""
        return [
            finding for of in _opened(request) for finding in _findings(of, lambda lists, *where: lists.look(*where))
        ]

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove it; lists that are being made are given up, and made anew by the workers."""
        found: list[PlaceFindings] = []
        for of in _opened(request):
            register = of.connection.register.read_state()
            for generation in register.named():
                if generation != register.live(generation.view):
                    of.connection.generations.drop(generation)
            found += _findings(of, lambda lists, *where: lists.remove_keys(*where))
            for _ in of.state.sweeping(of.place, [*register.views]):
                pass
            for view in _places_of(request, of.views):
                write_list_mark(request.target.workspace.online(), view, of.stream.erased.number, datetime.now(UTC))
        if not erased_streams(request):
            return []
        notes = request.target.workspace.online().wipe()
        return [replace(found[0], notes=notes), *found[1:]] if found else []


def _opened(request: ErasureRequest) -> Iterator[_OpenedState]:
    """Yield the streams whose lists may hold something; each is closed when the next is asked for.

    From lists that are older than the last erasure, as in a store that was restored, goes what was erased since, too.
    """
    workspace = request.target.workspace
    for stream in erased_streams(request):
        place = StreamSource(project=workspace.project, env=workspace.environment.name, source=stream.source.name)
        try:
            state = workspace.stream_state()
        except UsageError:
            if stream.views:
                raise
            continue  # the store keeps no lists, and none are needed
        with closing(state):
            if state.read_register(place).partitions:
                with closing(state.connect(place)) as connection:
                    yield _with_older(request, stream, place, state, connection)


def _with_older(
    request: ErasureRequest,
    stream: AppliedStream,
    place: StreamSource,
    state: StreamState,
    connection: StreamConnection,
) -> _OpenedState:
    """Return a stream with what was erased since its lists were clean."""
    views, store = _known_views(request, connection), request.target.workspace.online()
    marks = [read_list_mark(store, view) for view in _places_of(request, views)]
    whole = replace(request, erasures=request.and_since(min(marks, default=0)))
    erased = erased_of_stream(replace(request.target.state, erasures=whole.erasures), place.source)
    stream = replace(stream, erased=erased)
    lists = _lists(whole, stream, place, state, views)
    return _OpenedState(
        request=whole, stream=stream, place=place, state=state, connection=connection, lists=lists, views=views
    )


def _places_of(request: ErasureRequest, views: Mapping[str, FeatureView]) -> Iterator[OnlineView]:
    """Give where views that are registered lie in the store."""
    workspace = request.target.workspace
    for label, view in views.items():
        version = int(label.rpartition("@")[2])
        yield online_view(view, version, workspace.project, workspace.environment.name)


def _lists(
    request: ErasureRequest,
    stream: AppliedStream,
    place: StreamSource,
    state: StreamState,
    known: Mapping[str, FeatureView],
) -> ErasedLists:
    from featurectl.streaming.erased_lists import ErasedLists
    from featurectl.streaming.event_decoder import EventDecoder
    from featurectl.streaming.generation_records import GenerationRecords

    views = {**known, **stream.kept}
    records = GenerationRecords(place, state, views, EventDecoder(stream.source))
    return ErasedLists(
        erased=stream.erased,
        views=views,
        layout=records.layout,
        whole=any(item.done_at is None for item in request.erasures.tombstones),
    )


def _known_views(request: ErasureRequest, connection: StreamConnection) -> Mapping[str, FeatureView]:
    """Return the view versions that have lists and are registered: also those that workers keep no more."""
    found = {}
    for label in connection.register.read_state().views:
        name, _, version = label.partition("@")
        item = request.target.state.view(name, int(version)) if version.isdigit() else None
        if item is not None:
            found[label] = load_view(item.definition)
    return found


def _findings(of: _OpenedState, act: Act) -> Iterator[PlaceFindings]:
    for label, view in of.lists.views.items():
        until = of.lists.until(label)
        live = of.connection.register.read_state().live(label)
        if until is None or live is None or view.entity is None:
            continue
        known = known_keys(of.request, view.entity.name, view.key_types)
        pages = of.state.walk_lists(of.place, live) if known is None else iter([known])
        entities = [entity for page in pages for entity in page if until(entity) is not None]
        lists = act(of.lists, of.connection, label, list(dict.fromkeys(entities)))
        if lists:
            yield PlaceFindings(place=f"lists of {label}", rows=lists, what="lists")
