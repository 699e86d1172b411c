"""Which versions of a project's views were pushed: those are served, and their records say what reading needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import DataError
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.online.base import PushRecord, RowReader
from featurectl.online.client.stream_asof import StreamViews, is_kept, polled_records, stream_name, stream_views
from featurectl.online.codec import unpack_record
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.stream_state.protocols import AsyncStreamReader, OpenStreams
from featurectl.online.stream_state.unread_views import kept_no_more, no_worker
from featurectl.registry.applied import served_views
from featurectl.registry.state import ObjectVersion, State

VersionKey = tuple[str, int]  # a view and its version
LastPush = (
    PushRecord | BrokenRecordError | None
)  # None: there was none; an error: there was one, and its record is broken
Pushed = Mapping[VersionKey, LastPush]  # of each view version that was looked up


def is_typed(registered: ObjectVersion) -> bool:
    """Return whether the definition of a view says the types of all its features."""
    definition: Mapping[str, Any] = registered.definition
    try:
        columns = definition["source"].get("columns") or {}
        return UNKNOWN not in columns.values() and all(f.get("dtype") is not None for f in definition["features"])
    except (LookupError, TypeError, AttributeError):  # it is none, as whoever loads it hears
        return False


def is_event_view(state: State, place: VersionKey) -> bool:
    """Return whether a view version is of events: nothing of one that was pushed as of the future is found."""
    item = state.view(*place)
    return item is not None and load_untyped_view(item.definition).kind == "event"


def served_version(state: State, name: str, pushed: Pushed) -> ObjectVersion | None:
    """Return the version of a view that is read by its name: the current one, once it was pushed as that.

    Until then it is the one that was current last of those that were pushed; without any the current one. None where
    no such view is applied.
    """
    newest = state.current("feature_view", name)
    if newest is None or is_pushed_as_current(state, newest, pushed.get((name, newest.version))):
        return newest

    def current_since(item: ObjectVersion) -> tuple[datetime, int]:
        record = pushed.get((name, item.version))
        known = record.applied_at if isinstance(record, PushRecord) else None
        since = known or (None if item is newest else item.applied_at)  # what it has is of now, its rows are older
        return since or datetime.min.replace(tzinfo=UTC), item.version

    found = [item for item in _versions(state, name) if pushed.get((name, item.version)) is not None]
    return max(found, key=current_since, default=newest)


def is_pushed_as_current(state: State, newest: ObjectVersion, record: LastPush) -> bool:
    """Return whether the last push of a view's current version knew it as that.

    One of before does not count: the version was replaced since, and nothing has kept its rows up to date.
    """
    if not isinstance(record, PushRecord):
        return record is not None
    if record.applied_at is None:  # of a stream, or of a release in which the current version was the highest
        highest = max(item.version for item in _versions(state, newest.name))
        return bool(stream_name(newest)) or newest.version == highest
    return record.applied_at == newest.applied_at


def current_places(state: State) -> list[VersionKey]:
    """Return the view versions that pushes keep up: the newest, and those that model versions are bound to."""
    return [(item.name, item.version) for item in served_views(state)]


def hint_to_push(view: str) -> str:
    """Return what fills the online store with rows of a view."""
    return f"featurectl push {view}; featurectl materialize {view} where it has no offline table yet"


def never_pushed(state: State, name: str, version: int) -> DataError:
    """Return the error for a view version without rows online: what sends them, where anything does."""
    label = f"view {name}@{version}"
    item = state.view(name, version)
    if item is not None and (source := stream_name(item)):
        of = f"{name}@{version}", source
        return no_worker(*of) if is_kept(state, item) else kept_no_more(*of)
    if (name, version) in current_places(state):
        message = f"{label} was never pushed to the online store"
        hint = hint_to_push(name)
    else:
        why = "it is not the newest, and no model is bound to it"
        message = f"{label} has no rows in the online store, and nothing pushes any: {why}"
        hint = f"`featurectl get {name}` reads the newest version, with --offline the table of an older one, too"
    return DataError(message, code="FC511", hint=hint)


def needed_versions(store: RowReader, streams: OpenStreams, state: State, env: str) -> list[ObjectVersion]:
    """Return the view versions that somebody reads: those that pushes keep up, and what names stand for until then.

    Raises:
        StoreError: the store fails.
    """
    pushed = read_pushed(store, streams, state, env, unsure_places(state))
    names = {item.name for item in state.objects if item.kind == "feature_view"}
    read = [served_version(state, name, pushed) for name in sorted(names)]
    return [*served_views(state), *(item for item in read if item is not None)]


def unsure_places(state: State, names: Iterable[str] | None = None) -> list[VersionKey]:
    """Return the view versions of which a reader has to know the last push: the others are read without.

    Those are the newest where there are older ones, and those whose types their definition does not say. `names`:
    of these views alone.
    """
    views = [item for item in state.objects if item.kind == "feature_view"]
    several = {item.name for item in views if not item.current}
    wanted = {item.name for item in views} if names is None else set(names)
    return [
        (item.name, item.version)
        for item in views
        if item.name in wanted and ((item.current and item.name in several) or not is_typed(item))
    ]


def read_pushed(
    store: RowReader, streams: OpenStreams, state: State, env: str, places: Sequence[VersionKey]
) -> dict[VersionKey, LastPush]:
    """Return the last pushes of some view versions; of views whose current version was not pushed as that, of all.

    A view of a stream that is online is as if it had been pushed at its `asof`.

    Raises:
        StoreError: the store fails.
    """
    found: dict[VersionKey, LastPush] = {}
    while places:
        polled = stream_views(state, env, places)
        pushed = _pushed_among(places, polled)
        if pushed:
            found |= _taken(pushed, store.fetch_shared(state.project, env, _names(pushed)))
        for source, some in polled.items():
            found |= polled_records(streams().read_poll(source), some)
        places = _other_places(state, places, found)
    return found


async def read_pushed_async(
    store: AsyncStreamReader, state: State, env: str, places: Sequence[VersionKey], begun: set[str]
) -> dict[VersionKey, LastPush]:
    """Return what `read_pushed` does, without waiting for the store.

    To `begun` go the views of streams (`spend@1`) with lists that are read or being made.

    Raises:
        StoreError: the store fails.
    """
    found: dict[VersionKey, LastPush] = {}
    while places:
        polled = stream_views(state, env, places)
        pushed = _pushed_among(places, polled)
        if pushed:
            found |= _taken(pushed, await store.fetch_shared(state.project, env, _names(pushed)))
        for source, some in polled.items():
            poll = await store.read_poll(source)
            begun.update(poll.live, poll.being_made)
            found |= polled_records(poll, some)
        places = _other_places(state, places, found)
    return found


def _pushed_among(places: Sequence[VersionKey], polled: StreamViews) -> list[VersionKey]:
    """Return the view versions that are pushed, which those of streams are not."""
    of_streams = {place for some in polled.values() for place in some}
    return [place for place in places if place not in of_streams]


def _names(places: Sequence[VersionKey]) -> list[str]:
    return [f"push/{name}@{version}" for name, version in places]


def _taken(places: Sequence[VersionKey], records: Sequence[bytes | None]) -> dict[VersionKey, LastPush]:
    return {place: _unpacked(place, data) if data else None for place, data in zip(places, records, strict=True)}


def _unpacked(place: VersionKey, data: bytes) -> PushRecord | BrokenRecordError:
    """Return a record, or that it is broken: that of one view keeps nobody from reading others."""
    try:
        return unpack_record(data, f"{place[0]}@{place[1]}")
    except BrokenRecordError as error:
        return error.with_traceback(None)


def _other_places(state: State, places: Sequence[VersionKey], found: Pushed) -> list[VersionKey]:
    known, others = {*places, *found}, []
    for name, version in places:
        newest = state.current("feature_view", name)
        if newest is None or newest.version != version:
            continue
        if not is_pushed_as_current(state, newest, found[name, version]):
            others += [(name, item.version) for item in _versions(state, name)]
    return [place for place in others if place not in known]


def _versions(state: State, name: str) -> list[ObjectVersion]:
    return [item for item in state.objects if item.kind == "feature_view" and item.name == name]
