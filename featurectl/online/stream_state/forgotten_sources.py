"""A source that nothing is to be known of any more in an online store."""

from __future__ import annotations

from contextlib import closing

from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.protocols import StreamState


def forget_stream(store: StreamState, place: StreamSource) -> None:
    """Remove all that an online store has of a stream, its register last: what was begun is ended by doing it again.

    So are lists of generations that were given up, and that nobody has swept: without the register nobody would.

    Raises:
        StoreError: the store can't be used.
    """
    for generation in named_generations(store, place):
        with closing(store.connect(place)) as connection:
            connection.generations.drop(generation)
        store.drop_lists(place, generation)
    with closing(store.connect(place)) as connection:
        views = [*connection.register.read_state().views]
    for _ in store.sweeping(place, views):
        pass
    store.forget(place)


def named_generations(store: StreamState, place: StreamSource) -> list[Generation]:
    """Return the generations of a source that workers write."""
    with closing(store.connect(place)) as connection:
        return connection.register.read_state().named()
