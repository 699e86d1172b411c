"""Reads a view of a stream, entity by entity, with all that is known of an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names
from featurectl.online.base import KeyValue, OnlineView
from featurectl.online.codec import pack_key
from featurectl.online.corrupt_rows import BROKEN, row_place
from featurectl.online.read import Answer
from featurectl.online.stream_state.answers import StreamViewReader
from featurectl.online.stream_state.base import NO_LIST, EntityList, Generation, ListsAsk, StreamSource
from featurectl.online.stream_state.layout import parse_layout
from featurectl.online.stream_state.protocols import StreamReader
from featurectl.online.stream_state.unread_views import (
    lost_lists,
    named_place,
    no_worker,
    replaced_lists,
    sum_too_large,
)

_TRIES: Final = 3
Key = Sequence[KeyValue | None]


class StreamEntityReader:
    """Reads a view version from a store: with `wanted` some of its features, named as they are stored, else all.

    The lists of entities that `is_hidden` names by their packed keys are taken to be empty.
    """

    def __init__(
        self,
        view: FeatureView,
        online: OnlineView,
        store: StreamReader,
        wanted: Collection[str] | None = None,
        is_hidden: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._is_hidden = is_hidden
        self._view, self._online, self._store = view, online, store
        self._wanted = current_names(view) if wanted is None else wanted
        self._field = f"{online.view}@{online.version}"
        self._source = StreamSource(project=online.project, env=online.env, source=view.source.name)
        self._types = tuple(view.key_types.values())

    def read(self, entities: Sequence[Key], asked: datetime | None = None) -> list[Answer]:
        """Return the answer of each entity, in order; `asked`: as of an instant, where the lists know it.

        Raises:
            DataError: FC550, the view is not online, or its lists were made without a feature that is wanted; FC507, a
                sum is outside of its type.
            StoreError: the store fails, a list is none, or was lost.
        """
        return self.read_packed([self._packed(entity) for entity in entities], asked)

    def read_packed(self, keys: Sequence[bytes | None], asked: datetime | None = None) -> list[Answer]:
        """Return the answers to packed keys, None of which is one with a null, as `read` does."""
        wanted = [*dict.fromkeys(key for key in keys if key is not None)]
        reader, lists, asof_us = self._read(wanted)
        known: dict[bytes | None, Answer] = {
            key: self._answer(reader, key, found, (asof_us, asked)) for key, found in zip(wanted, lists, strict=True)
        }
        if None in keys:
            known[None] = reader.unknown(asof_us, asked=asked)
        return [known[key] for key in keys]

    def _read(self, keys: Sequence[bytes]) -> tuple[StreamViewReader, Sequence[EntityList | None], int]:
        """Return what reads lists, these, and the `asof` before them."""
        for _ in range(_TRIES):
            [answer] = self._store.read(self._source, [ListsAsk(view=self._field, entities=keys)])
            if answer.lists is None or answer.generation is None or not answer.asof:
                raise no_worker(self._field, self._source.source)
            document = self._store.read_layout(self._source, Generation(view=self._field, id=answer.generation))
            if document:
                reader = StreamViewReader(self._view, self._online, parse_layout(document))
                reader.check(self._wanted)
                return reader, answer.lists, answer.asof
        raise replaced_lists(self._field)

    def _answer(
        self, reader: StreamViewReader, key: bytes, found: EntityList | None, at: tuple[int, datetime | None]
    ) -> Answer:
        place, (asof_us, asked) = row_place(self._online, key), at
        if found is None:
            raise lost_lists(place)
        try:
            found = NO_LIST if self._is_hidden(key) else found
            return reader.answer(found, asof_us, asked=asked)
        except StoreError as error:
            if error.code != BROKEN:
                raise
            raise named_place(error, place) from error
        except DataError as error:
            raise sum_too_large(error, place) from error

    def _packed(self, entity: Key) -> bytes | None:
        known = [value for value in entity if value is not None]
        return pack_key(known, self._types) if len(known) == len(entity) else None
