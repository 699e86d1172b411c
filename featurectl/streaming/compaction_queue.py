"""Lists that have grown are compacted, a few at a time, beside the events that go on coming."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    ListReplacement,
    ListsAsk,
    RegisterState,
    digest_of,
)
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.protocols import StreamConnection

LONG: Final = 48  # elements from which on a list is worth the trip
VERY_LONG: Final = 5_000  # elements from which on compaction takes longer than a turn of a worker may: 8 us each
_AT_ONCE: Final = 200

ListPlace = tuple[str, bytes]  # view, entity


class CompactionQueue:
    """Which lists have grown since they were compacted last, by the views that they are of.

    `layout_of` says what the lists of a generation keep. Very long ones are left to whoever takes them `apart`, in
    another thread.
    """

    def __init__(self, layout_of: Callable[[Generation], ListLayout], long: int = LONG) -> None:
        self._layout_of = layout_of
        self.long = long
        self._waiting: dict[ListPlace, None] = {}
        self._apart: set[ListPlace] = set()
        self._broken: StoreError | None = None  # what the first list of a step says that can't be read

    def __len__(self) -> int:
        return len(self._waiting)

    def see(self, generation: Generation, lengths: Mapping[bytes, int]) -> None:
        """Take note of how long lists have become."""
        for entity, length in lengths.items():
            if length >= VERY_LONG:
                self._apart.add((generation.view, entity))
            elif length >= self.long:
                self._waiting[generation.view, entity] = None

    def apart(self) -> ListPlace | None:
        """Return a list that is very long, and take it from those that wait; None: there is none."""
        try:
            return self._apart.pop()
        except KeyError:
            return None

    def add(self, view: str, entities: Iterable[bytes]) -> None:
        """Have lists compacted however long they are."""
        for entity in entities:
            self._waiting[view, entity] = None

    def step(self, connection: StreamConnection) -> int:
        """Compact some lists, those that have waited longest first; return how many were replaced.

        One that others change meanwhile is left for the next time that it grows.

        Raises:
            StoreError: the store fails, or a list holds what no worker has written.
        """
        chosen = list(self._waiting)[:_AT_ONCE]
        if not chosen:
            return 0
        by_view: dict[str, list[bytes]] = {}
        for view, entity in chosen:
            by_view.setdefault(view, []).append(entity)
        asks = [ListsAsk(view=view, entities=entities) for view, entities in by_view.items()]
        register, found = connection.lists.read(asks)
        self._broken = None
        replacements = [
            made for ask, lists in zip(asks, found, strict=True) for made in self._made(ask, lists, register)
        ]
        replaced = connection.lists.replace(replacements) if replacements else []
        for place in chosen:
            self._waiting.pop(place, None)
        if self._broken is not None:
            raise self._broken  # the other lists are compacted all the same
        return sum(replaced)

    def _made(
        self, ask: ListsAsk, lists: Sequence[EntityList | None], register: RegisterState
    ) -> Iterable[ListReplacement]:
        generation = register.live(ask.view)
        if generation is None:
            return
        layout = self._layout_of(generation)
        applied = {of.number: of.applied for of in register.partitions}
        for entity, found in zip(ask.entities, lists, strict=True):
            if found is None or not found.elements:
                continue
            instants = AppliedInstants(
                applied_us=applied, asof_us=register.asof, clock_us=register.clock_us, marks=found.marks
            )
            try:
                compacted = compact(found.elements, layout, instants)
            except StoreError as error:
                self._broken = self._broken or error
                continue
            if not compacted.pays:
                continue
            yield ListReplacement(
                generation=generation,
                entity=entity,
                read=len(found.elements),
                digest=digest_of(found.elements),
                head=compacted.head,
                left=compacted.left,
                alone=compacted.alone,
            )
