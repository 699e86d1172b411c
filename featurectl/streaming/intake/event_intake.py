"""The sources of a project that take events, each opened when its first events come, and closed when it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from typing import Any, Final

from featurectl.core.errors import UsageError
from featurectl.language.definitions.json_form import load_source, load_view
from featurectl.language.definitions.source import Source
from featurectl.language.stream_places import check_streams_run
from featurectl.online.client.stream_asof import is_kept, stream_name
from featurectl.registry.applied import not_applied, served_views
from featurectl.registry.state import State
from featurectl.streaming.entity_keys import EntityKey, entity_keys
from featurectl.streaming.intake.applied_mark import AppliedWatch
from featurectl.streaming.intake.delivery import EventDelivery, EventRequest, place_of
from featurectl.streaming.intake.delivery_thread import DeliveryFuture, DeliveryThread
from featurectl.streaming.intake.offered_events import OfferedEvents
from featurectl.workspace.workspace import Workspace

_MOST_WAIT_S: Final = 10.0  # of one answer; a send ends before the claim of its key does


class OpenSource:
    """A source that takes events: what checks them, and the threads that send them and wait for them.

    Requests with an idempotency key have a thread of their own, as they wait for the online store, too.
    """

    def __init__(
        self,
        workspace: Workspace,
        source: Source,
        keys: Collection[EntityKey],
        limit_s: float,
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.name = source.name
        self.events = OfferedEvents(source, keys)
        place = place_of(workspace, source, limit_s)
        self._plain = DeliveryThread(EventDelivery(place, limit_s), f"events-{source.name}", on_fault)
        self._keyed = DeliveryThread(EventDelivery(place, limit_s), f"events-once-{source.name}", on_fault)
        self._applied = AppliedWatch(place, workspace.stream_state)

    def submit(self, request: EventRequest) -> DeliveryFuture:
        """Return what will become of the events of a request.

        Raises:
            StoreError: the source is another one by now, or gone.
        """
        return (self._plain if request.key is None else self._keyed).submit(request)

    def applied(self) -> Future[bool]:
        """Return what is True once all that the topic has by now is applied."""
        return self._applied.wait()

    def close(self, wait_s: float = 0.0) -> None:
        """Take nothing more; what waits is sent."""
        for thread in (self._plain, self._keyed):
            thread.close(wait_s)
        self._applied.close()


class EventIntake:
    """Takes events for the sources of a project, as they are applied at the moment; for one event loop, or thread."""

    def __init__(self, workspace: Workspace, limit_s: float, on_fault: Callable[[BaseException], None]) -> None:
        """Take events; a broker, and the online store of keys, answer within so many seconds, 10 at most.

        Raises:
            UsageError: the environment has a fixed clock.
        """
        check_streams_run(workspace.environment)
        self._workspace = workspace
        self._limit_s = min(limit_s, _MOST_WAIT_S)
        self._on_fault = on_fault
        self._state: State | None = None
        self._open: dict[str, tuple[Mapping[str, Any], Collection[EntityKey], OpenSource]] = {}
        self._lock = threading.Lock()

    def source(self, state: State, name: str) -> OpenSource:
        """Return a source that takes events, as a state of the registry has it.

        Raises:
            UsageError: there is no such stream, its events are not in JSON, or nothing says where its topic is.
        """
        with self._lock:
            if state is not self._state:
                self._follow(state)
            found = self._open.get(name)
            if found is None:
                definition, keys = _definition(state, name), _entity_keys(state, name)
                source = load_source(definition)
                opened = OpenSource(self._workspace, source, keys, self._limit_s, self._on_fault)
                found = self._open[name] = (definition, keys, opened)
            return found[2]

    def close(self) -> None:
        """Take nothing more; what waits is sent, or waited for a second at most."""
        with self._lock:
            opened, self._open = self._open, {}
        for *_, source in opened.values():
            source.close(wait_s=1.0)

    def _follow(self, state: State) -> None:
        """Close what is not as it was."""
        for name, (definition, keys, opened) in list(self._open.items()):
            registered = state.current("source", name)
            if registered is None or registered.definition != definition or _entity_keys(state, name) != keys:
                del self._open[name]
                opened.close()
        self._state = state


def _definition(state: State, name: str) -> Mapping[str, Any]:
    """Return the definition of a stream.

    Raises:
        UsageError: there is none of this name.
    """
    registered = state.current("source", name)
    streams = stream_names(state)
    if registered is None:
        raise not_applied(state, "source", name)
    if name not in streams:
        known = f"streams: {', '.join(streams)}" if streams else "no source that is applied is a stream"
        raise UsageError(f"source {name} is no stream", hint=known)
    return registered.definition


def _entity_keys(state: State, name: str) -> Collection[EntityKey]:
    """Return the keys of the views that workers of a stream keep online."""
    views = (item for item in served_views(state) if stream_name(item) == name and is_kept(state, item))
    return entity_keys(load_view(item.definition) for item in views)


def stream_names(state: State) -> list[str]:
    """Return the names of the sources that are streams, as they are applied."""
    named = (item for item in state.objects if item.kind == "source" and item.current)
    return sorted(item.name for item in named if item.definition.get("format") == "stream")


def json_streams(state: State) -> Mapping[str, Source]:
    """Return the streams that take events: those in JSON.

    Raises:
        StoreError: FC604, a newer version has written a definition.
    """
    found: dict[str, Source] = {}
    for name in stream_names(state):
        registered = state.current("source", name)
        assert registered is not None
        source = load_source(registered.definition)
        if source.stream is not None and source.stream.format == "json":
            found[name] = source
    return found
