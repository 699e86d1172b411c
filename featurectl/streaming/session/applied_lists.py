"""Lists of before something else was applied: those of views that are not there any more, and those that lack much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from featurectl.core.errors import StoreError
from featurectl.language.definitions.view import FeatureView
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.layout import parse_layout
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from featurectl.streaming.session.applied_streams import AppliedStream


def removed_generations(
    connection: StreamConnection, state: StreamState, place: StreamSource, applied: Callable[[], AppliedStream | None]
) -> tuple[list[Generation], list[Generation]]:
    """Return the generations of view versions that are not kept, and those whose definition lacks what lists keep.

    What is applied is read after the generations: one that is named by then was applied, so that none is given up of
    which only this process has not heard. A source that is not applied itself is left alone.

    Raises:
        StoreError: the store or the registry can't be used now.
    """
    named = connection.register.read_state().named()
    stream = applied() if named else None
    if stream is None:
        return [], []
    gone, lacking = [], []
    for generation in named:
        view = stream.kept.get(generation.view)
        if view is None:
            gone.append(generation)
            continue
        document = state.read_layout(place, generation)
        if document and not set(parse_layout(document).inputs) <= {item.name for item in view.inputs}:
            lacking.append(generation)
    return gone, lacking


def give_up(
    connection: StreamConnection,
    state: StreamState,
    place: StreamSource,
    generations: Iterable[Generation],
    removes_until: Callable[[], bool] | None,
) -> None:
    """Give up some generations.

    Their lists are removed at once, which may take minutes, until `removes_until` is true; None: a sweep removes them.

    Raises:
        StoreError: the store can't be used now.
    """
    for generation in generations:
        connection.generations.drop(generation)
        if removes_until is not None:
            with suppress(StoreError):  # a sweep removes them later
                state.drop_lists(place, generation, removes_until)


def lacking_views(
    connection: StreamConnection,
    state: StreamState,
    place: StreamSource,
    views: Mapping[str, FeatureView],
    max_ages_us: Mapping[str, int] | None = None,
) -> list[str]:
    """Return the views whose lists can be read and do not have all that its features need, such as a longer window.

    `max_ages_us` says of views how far back their lists are asked, in microseconds, where that is further than usual.

    Raises:
        StoreError: the store can't be used now.
    """
    register = connection.register.read_state()
    lacking = []
    for name, view in views.items():
        live = register.live(name)
        document = "" if live is None else state.read_layout(place, live)
        if not document:
            continue
        layout = parse_layout(document)
        if not all(map(layout.has, view.features)) or not layout.looks_back((max_ages_us or {}).get(name, 0)):
            lacking.append(name)
    return lacking
