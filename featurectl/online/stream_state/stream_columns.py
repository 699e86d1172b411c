"""The lists of a view of a stream become values with a status each, as rows of a view do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView
from featurectl.online.corrupt_rows import BROKEN, RowPlace
from featurectl.online.decode.columns import Default, EntityRow, ViewColumns, entity_row
from featurectl.online.read import Answer, Status
from featurectl.online.stream_state.answers import StreamViewReader
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.joined_values import ReadValues
from featurectl.online.stream_state.known_instants import RowInstant
from featurectl.online.stream_state.layout import parse_layout
from featurectl.online.stream_state.unread_views import lost_lists, named_place, sum_too_large

_LAYOUTS: Final = 8  # generations come seldom
_ALONE, _JOINED = 8, 100  # lists


class ReadLists(NamedTuple):
    """Which generation of lists was read, the `asof` before them (microseconds), and the instant asked for, if any."""

    generation: str
    asof_us: int
    asked: datetime | None


class StreamColumns:
    """Decodes the lists of a view version; `defaults` stand before the view's own, by feature.

    What a generation of lists keeps is its layout, which is learned once.
    """

    def __init__(self, view: FeatureView, online: OnlineView, defaults: Mapping[str, Default] | None = None) -> None:
        self._columns = ViewColumns(view, online, defaults)
        self._online = online
        self.names = self._columns.names
        self.all_present: Sequence[Status] = self._columns.all_present
        self._readers: dict[str, StreamViewReader] = {}  # by generation

    def knows(self, generation: str) -> bool:
        """Return whether the layout of a generation is known."""
        return generation in self._readers

    def learn(self, generation: str, document: str) -> None:
        """Take the layout of a generation.

        Raises:
            StoreError: it is none.
        """
        if len(self._readers) >= _LAYOUTS:
            self._readers.clear()
        self._readers[generation] = StreamViewReader(self._columns.view, self._online, parse_layout(document))

    def check(self, generation: str, wanted: Collection[str]) -> None:
        """Check that the lists of a generation have some features, named as they are stored.

        Raises:
            DataError: FC550, they were made without.
        """
        self._readers[generation].check(wanted)

    def at_once(self, read: ReadLists) -> int:
        """Return how many lists take two or three milliseconds."""
        return _JOINED if self._readers[read.generation].joins and read.asked is None else _ALONE

    def rows(
        self, read: ReadLists, lists: Sequence[EntityList | None], place: Callable[[int], RowPlace]
    ) -> list[EntityRow]:
        """Return what entities have by their lists; `place` says whose the list at a place is.

        Raises:
            StoreError: a list was lost, or is none.
            DataError: FC507, a sum is outside of its type.
        """
        if read.asked is not None:
            return [self._row(read, found, partial(place, i)) for i, found in enumerate(lists)]
        joined = self._readers[read.generation].values_of_many(lists, read.asof_us)
        return [
            self._row(read, found, partial(place, i)) if quick is None else self._whole(quick)
            for i, (found, quick) in enumerate(zip(lists, joined, strict=True))
        ]

    def rows_at(
        self, read: ReadLists, found: EntityList | None, instants: Sequence[RowInstant], place: Callable[[], RowPlace]
    ) -> list[EntityRow | None]:
        """Return what an entity has at some instants by its list; None where the list does not know it any more.

        `computed_us` is when each is asked about, `asof_us` when windows end.

        Raises:
            StoreError, DataError: as `rows`.
        """
        if found is None:
            raise lost_lists(place())
        try:
            answers = self._readers[read.generation].answers_at(found, read.asof_us, instants)
        except (StoreError, DataError) as error:
            raise _of_place(error, place()) from error.__cause__
        return [None if each is None else self._at(at, each) for at, each in zip(instants, answers, strict=True)]

    def quick_rows_at(
        self, read: ReadLists, lists: Sequence[EntityList | None], instants: Sequence[RowInstant]
    ) -> list[EntityRow | None]:
        """Return what entities have at an instant each; None where `rows_at` has to be asked."""
        joined = self._readers[read.generation].values_of_many_at(lists, read.asof_us, instants)
        return [None if quick is None else self._at(at, quick) for at, quick in zip(instants, joined, strict=True)]

    def _at(self, at: RowInstant, found: ReadValues | Answer) -> EntityRow:
        if isinstance(found, ReadValues):
            return self._columns.whole(found.values, (found.event_us, at.known_us, at.time_us))
        return entity_row(found, self.names)

    def _whole(self, quick: ReadValues) -> EntityRow:
        values, event_us, asof_us = quick
        return self._columns.whole(values, (event_us, asof_us, asof_us))

    def _row(self, read: ReadLists, found: EntityList | None, place: Callable[[], RowPlace]) -> EntityRow:
        if found is None:
            raise lost_lists(place())
        reader = self._readers[read.generation]
        try:
            if read.asked is None and (quick := reader.values(found, read.asof_us)) is not None:
                return self._whole(quick)
            return entity_row(reader.answer(found, read.asof_us, asked=read.asked), self.names)
        except (StoreError, DataError) as error:
            raise _of_place(error, place()) from error.__cause__

    def unknown(self, read: ReadLists) -> EntityRow:
        """Return what there is of an entity whose key has a null."""
        return entity_row(self._readers[read.generation].unknown(read.asof_us, asked=read.asked), self.names)

    def unknown_at(self, read: ReadLists, at: RowInstant) -> EntityRow:
        """Return what there is at an instant of an entity whose key has a null."""
        return entity_row(self._readers[read.generation].unknown_at(at), self.names)


def _of_place(error: StoreError | DataError, place: RowPlace) -> StoreError | DataError:
    """Return an error that says whose list it is."""
    if isinstance(error, DataError):
        return sum_too_large(error, place)
    return named_place(error, place) if error.code == BROKEN else error
