"""Erased events leave the lists of views: the records of them, and what heads have folded of them.

A list is replaced as compaction replaces it, where it is what was read, so that nothing that comes meanwhile is lost.
A head keeps its frontier: what it had folded is not counted again when a partition is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from featurectl.core.errors import TryAgainError
from featurectl.core.units import instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.online.erased_keys import ErasedUntil, erased_until
from featurectl.online.stream_state.base import Generation, ListReplacement, ListsAsk, digest_of, is_head
from featurectl.online.stream_state.head import Head, no_head, pack_head, unpack_head
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.online.stream_state.record import EventRecord, unpack_record
from featurectl.streaming.erased_events import StreamErasures

_AT_ONCE: Final = 500
_TRIES: Final = 200  # at lists that others change all the while
EventPlace = tuple[int, int]  # the number of a partition, and an offset
LayoutOf = Callable[[Generation], ListLayout]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedEntity:
    """What is to leave the list of an entity: what is not after an instant, and events at some places."""

    entity: bytes
    until: datetime | None = None
    places: Collection[EventPlace] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedLists:
    """Removes what was erased from the lists of views, `view@version`.

    `layout` says what the lists of a generation keep. `whole`: of a head that was made after an erasure nobody knows
    whether that was carried out, so that what can't be told from later rows goes, too.
    """

    erased: StreamErasures
    views: Mapping[str, FeatureView]
    layout: LayoutOf
    whole: bool = False

    def until(self, label: str) -> ErasedUntil | None:
        """Return what finds the packed keys of a view's entity that were erased; None: none was."""
        view = self.views.get(label)
        if view is None or view.entity is None or not self.erased.erasures.of(view.entity.name):
            return None
        return erased_until(self.erased.erasures, view.entity.name, view.key_types)

    def remove_keys(self, connection: StreamConnection, label: str, entities: Iterable[bytes]) -> int:
        """Remove what was erased from the lists of those entities that were; return how many lists had any.

        Raises:
            StoreError: the store fails, or a list holds what no worker has written.
            TryAgainError: a list is changed so often that it can't be replaced.
        """
        until = self.until(label)
        if until is None:
            return 0
        found = ((entity, until(entity)) for entity in entities)
        return self.remove(connection, label, [ErasedEntity(entity=e, until=at) for e, at in found if at is not None])

    def remove(self, connection: StreamConnection, label: str, erased: Sequence[ErasedEntity]) -> int:
        """Remove what was erased from some lists; return how many had any."""
        changed = 0
        for start in range(0, len(erased), _AT_ONCE):
            left: Sequence[ErasedEntity] = erased[start : start + _AT_ONCE]
            for _ in range(_TRIES):
                made = self._replacements(connection, label, left)
                done = connection.lists.replace(made) if made else []
                changed += sum(done)
                again = {each.entity for each, is_done in zip(made, done, strict=True) if not is_done}
                left = [each for each in left if each.entity in again]
                if not left:
                    break
            else:
                raise TryAgainError(f"a list of {label} is written without a pause; run it again")
        return changed

    def look(self, connection: StreamConnection, label: str, entities: Iterable[bytes]) -> int:
        """Return how many lists of some entities have anything that was erased."""
        until = self.until(label)
        if until is None:
            return 0
        found = [ErasedEntity(entity=entity, until=at) for entity in entities if (at := until(entity)) is not None]
        parts = (found[start : start + _AT_ONCE] for start in range(0, len(found), _AT_ONCE))
        return sum(len(self._replacements(connection, label, part)) for part in parts)

    def _replacements(
        self, connection: StreamConnection, label: str, erased: Sequence[ErasedEntity]
    ) -> list[ListReplacement]:
        register, [lists] = connection.lists.read([ListsAsk(view=label, entities=[each.entity for each in erased])])
        live = register.live(label)
        if live is None:
            return []
        layout = self.layout(live)
        made = (
            self._replacement(live, layout, each, found.elements)
            for each, found in zip(erased, lists, strict=True)
            if found is not None and found.elements
        )
        return [each for each in made if each is not None]

    def _replacement(
        self, generation: Generation, layout: ListLayout, erased: ErasedEntity, elements: Sequence[bytes]
    ) -> ListReplacement | None:
        """Return what stands in the place of a list without what was erased; None where it has nothing of that."""
        has_head = is_head(elements[0])
        left = [element for element in elements[has_head:] if not _is_erased(unpack_record(element, layout), erased)]
        before = unpack_head(elements[0], layout) if has_head else no_head(layout)
        head = cleaned_head(before, layout, erased.until, whole=self.whole)
        if head is before and len(left) == len(elements) - has_head:
            return None
        packed = elements[0] if head is before and has_head else pack_head(head, layout)
        return ListReplacement(
            generation=generation,
            entity=erased.entity,
            read=len(elements),
            digest=digest_of(elements),
            head=packed,
            left=left,
            alone=None if head.is_empty else packed,
        )


def cleaned_head(head: Head, layout: ListLayout, until: datetime | None, *, whole: bool) -> Head:
    """Return a head without what was erased, the same one where it has nothing of that.

    `whole`: what `lifetime` has folded goes though nothing else tells that it has erased rows.
    """
    if until is None or head.is_empty:
        return head
    until_us = instant_us(until)
    rows = head.rows.take((head.rows.event_us > until_us) & (head.rows.available_us > until_us))
    tiles, lifetime = head.tiles, head.lifetime
    if layout.hop_us is not None and (tiles.numbers * layout.hop_us <= until_us).any():
        later = tiles.numbers * layout.hop_us > until_us
        states = tuple(tuple(part.take(later) for part in parts) for parts in tiles.states)
        tiles = tiles._replace(numbers=tiles.numbers[later], states=states)
    is_changed = rows is not head.rows or tiles is not head.tiles
    if lifetime is not None and (whole or is_changed or head.asof_us <= until_us):
        lifetime, is_changed = None, True
    if not is_changed:
        return head
    newest = (int(rows.event_us[-1]), int(rows.available_us[-1])) if rows.height else None
    return head._replace(rows=rows, tiles=tiles, lifetime=lifetime, newest=newest)


def _is_erased(record: EventRecord, erased: ErasedEntity) -> bool:
    if (record.partition, record.offset) in erased.places:
        return True
    return erased.until is not None and min(record.event_us, record.available_us) <= instant_us(erased.until)


def erased_entities(walked: Iterator[Sequence[bytes]], until: ErasedUntil) -> Iterator[Sequence[bytes]]:
    """Yield those of some entities that were erased, some at a time."""
    for some in walked:
        yield [entity for entity in some if until(entity) is not None]
