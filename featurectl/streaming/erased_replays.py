"""Erased events that a worker takes, and that another one, which did not know of the erasure, may have applied before.

What is not logged is taken again by whoever works on its partition next. So an event that was applied, and not logged,
when it was erased comes here; what was logged the erasure itself removes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurectl.language.definitions.view import FeatureView
from featurectl.online.stream_state.base import Generation, GenerationCut
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming.erased_events import StreamErasures
from featurectl.streaming.erased_lists import ErasedEntity, ErasedLists, EventPlace
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.view_records import StampedEvent

Replayed = tuple[Sequence[StampedEvent], Sequence[GenerationCut]]  # erased events, and the generations of their batch


class ErasedReplays:
    """Removes erased events from the lists of the entities that they are of."""

    def __init__(self, erased: StreamErasures, views: Mapping[str, FeatureView], records: GenerationRecords) -> None:
        self._records = records
        self._lists = ErasedLists(erased=erased, views=views, layout=records.layout)

    def remove(self, connection: StreamConnection, replayed: Sequence[Replayed]) -> None:
        """Remove erased events, and what else was erased of their entities.

        Raises:
            StoreError: the store fails; the batch is begun again.
        """
        by_view: dict[str, dict[bytes, set[EventPlace]]] = {}
        for events, generations in replayed:
            for event in events:
                for generation in (each.generation for each in generations):
                    self._see(generation, event, by_view)
        for label, places in by_view.items():
            until = self._lists.until(label)
            erased = [
                ErasedEntity(entity=entity, until=None if until is None else until(entity), places=some)
                for entity, some in places.items()
            ]
            self._lists.remove(connection, label, erased)

    def _see(
        self, generation: Generation, event: StampedEvent, by_view: dict[str, dict[bytes, set[EventPlace]]]
    ) -> None:
        entity = self._records.of(generation).entity(event.row)
        if entity is not None:
            by_view.setdefault(generation.view, {}).setdefault(entity, set()).add((event.partition, event.offset))
