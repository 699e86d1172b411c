"""Events of erased keys: whose an event is, as the views of its source say, and until when that one is erased.

An event is of each entity that a view of its source is of. It is erased with any of them, for it holds the key of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from featurectl.core.dtypes import DATE
from featurectl.core.erasures import NOTHING_ERASED, Erasures, KeyPart, key_text
from featurectl.core.units import instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.streaming.event_decoder import BadEvent, EventDecoder, EventRow
from featurectl.streaming.event_keys import key_fields

_EPOCH: Final = date(1970, 1, 1)
_KNOWN_KEYS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedBy:
    """An entity that events are of: the columns of the source, `select` included, that hold its keys by their names."""

    entity: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedTexts:
    """An erased key whose values are known: their texts (`key_text`) by the names of the entity's keys."""

    entity: str
    texts: Mapping[str, str]

    def stands_in(self, value: bytes) -> bool:
        """Return whether one of the texts stands in bytes, as it is or escaped by JSON.

        What is on either side of it is of no word.

        >>> key = ErasedTexts(entity="card", texts={"card": "é"})
        >>> [key.stands_in(form.encode()) for form in (key.texts["card"], json.dumps(key.texts["card"]), "e")]
        [True, True, False]
        """
        texts = [text for text in self.texts.values() if text]
        forms = {form for text in texts for form in (text, json.dumps(text)[1:-1])}
        return any(_has_word(value, form.encode("utf-8", "surrogatepass")) for form in forms)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamErasures:
    """What was erased of the entities of a stream's events; `keyed` says how each is found."""

    erasures: Erasures = NOTHING_ERASED
    keyed: tuple[KeyedBy, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything was."""
        return bool(self.erasures)

    @property
    def number(self) -> int:
        """The number of the newest tombstone of one of the entities, 0 where there is none."""
        return self.erasures.number


NO_STREAM_ERASURES: Final = StreamErasures()


def stream_erasures(erasures: Erasures, views: Iterable[FeatureView]) -> StreamErasures:
    """Return what was erased of the entities of views that read a stream, in any of their versions.

    >>> stream_erasures(NOTHING_ERASED, []) == NO_STREAM_ERASURES
    True
    """
    keyed = {
        KeyedBy(entity=view.entity.name, columns=tuple(zip(view.keys, view.key_columns, strict=True)))
        for view in views
        if view.entity is not None and view.key_columns and erasures.of(view.entity.name)
    }
    entities = {each.entity for each in keyed}
    # When one was done is nothing that workers go by: they need not begin anew for it.
    own = tuple(replace(item, done_at=None) for item in erasures.tombstones if item.entity in entities)
    if not own:
        return NO_STREAM_ERASURES
    in_order = sorted(keyed, key=lambda each: (each.entity, each.columns))
    return StreamErasures(erasures=Erasures(secret=erasures.secret, tombstones=own), keyed=tuple(in_order))


class ErasedEvents:
    """Tells the events of a source that are erased; not for several threads."""

    def __init__(self, erased: StreamErasures, decoder: EventDecoder) -> None:
        self._erased, self._decoder = erased, decoder
        self._finders = [
            _Finder(erased.erasures, each, decoder)
            for each in erased.keyed
            if all(column in decoder.places for _, column in each.columns)
        ]

    def __bool__(self) -> bool:
        """Return whether any key was erased."""
        return bool(self._finders)

    def has(self, row: EventRow, event_us: int, stamp_us: int) -> bool:
        """Return whether an event is erased: a key of it is, and one of its instants is not after that."""
        for finder in self._finders:
            until_us = finder.until_us(row)
            if until_us is not None and min(event_us, stamp_us) <= until_us:
                return True
        return False

    def has_bytes(self, value: bytes, stamp_us: int, known: Sequence[ErasedTexts] = ()) -> bool:
        """Return whether an event that was rejected is erased, as far as its bytes say whose it is.

        Where its key can't be read, or a part of that, it is where the text of a `known` key stands in the bytes by
        itself, and what can be read of the key is no other one.
        """
        row = self._decoder.decode(value)
        if not isinstance(row, BadEvent):
            return self.has(row, self._decoder.event_us(row), stamp_us)
        fields = self._decoder.fields(value)
        if isinstance(fields, BadEvent):
            return any(key.stands_in(value) for key in known)
        found = [finder.until_us_of_fields(fields) for finder in self._finders]
        if any(until_us is not None and stamp_us <= until_us for until_us in found):
            return True
        near = [key for key in known if any(finder.may_be(key, fields) for finder in self._finders)]
        return any(key.stands_in(value) for key in near)

    def is_unclear(self, value: bytes) -> bool:
        """Return whether an event was rejected and has no whole key that can be read: a key's text alone finds it."""
        if not isinstance(self._decoder.decode(value), BadEvent):
            return False
        fields = self._decoder.fields(value)
        return isinstance(fields, BadEvent) or any(finder.lacks_part(fields) for finder in self._finders)

    def has_message_key(self, key: bytes, columns: Sequence[str], value: bytes, stamp_us: int) -> bool:
        """Return whether the key of a message is an erased one, and the message was sent, or its event was, until then.

        `columns` are those that keys of messages are made of; without any they are taken to be an entity's own.
        """
        found = [finder.until_us_of_key(key, columns) for finder in self._finders]
        until_us = max((until_us for until_us in found if until_us is not None), default=None)
        if until_us is None:
            return False
        row = self._decoder.decode(value)
        first_us = stamp_us if isinstance(row, BadEvent) else min(self._decoder.event_us(row), stamp_us)
        return first_us <= until_us


class _Finder:
    """Finds until when the key of one entity is erased; keys that come again are looked up once."""

    def __init__(self, erasures: Erasures, keyed: KeyedBy, decoder: EventDecoder) -> None:
        self._erasures, self._keyed = erasures, keyed
        self._places = [decoder.places[column] for _, column in keyed.columns]
        self._are_dates = [decoder.columns[column] == DATE for _, column in keyed.columns]
        self._known = lru_cache(maxsize=_KNOWN_KEYS)(self._look_up)

    def until_us(self, row: EventRow) -> int | None:
        """Return until when a row's key is erased, in microseconds since 1970; None: it is not."""
        values = tuple([row[place] for place in self._places])
        return self._known(values, tuple(map(type, values)))

    def until_us_of_fields(self, fields: Mapping[str, object]) -> int | None:
        """Return the same of the fields of an event as they are written."""
        return self._until_us(self._read(fields))

    def until_us_of_key(self, key: bytes, columns: Sequence[str]) -> int | None:
        """Return the same of the key of a message, made of some columns, or else of the entity's own."""
        own = [column for _, column in self._keyed.columns]
        return self.until_us_of_fields(key_fields(key, columns or own))

    def may_be(self, known: ErasedTexts, fields: Mapping[str, object]) -> bool:
        """Return whether fields lack a part of the key that could be a known one, and have no part of another."""
        if known.entity != self._keyed.entity:
            return False
        read = self._read(fields)
        parts = {key: read.get(key) for key in known.texts}
        is_same = [part is None or key_text(part) == known.texts[key] for key, part in parts.items()]
        return None in parts.values() and all(is_same)

    def lacks_part(self, fields: Mapping[str, object]) -> bool:
        """Return whether fields have no such key, or a part of it that is none."""
        return None in self._read(fields).values()

    def _read(self, fields: Mapping[str, object]) -> Mapping[str, KeyPart | None]:
        """Return the parts of a key as they are written; None: there is none, or it is of another type."""
        given = {key: fields.get(column) for key, column in self._keyed.columns}
        return {key: value if isinstance(value, str | int | bool) else None for key, value in given.items()}

    def _look_up(self, values: tuple[object, ...], _: tuple[type, ...]) -> int | None:
        parts = [
            _EPOCH + timedelta(days=value) if is_date and isinstance(value, int) else value
            for value, is_date in zip(values, self._are_dates, strict=True)
        ]
        names = [key for key, _ in self._keyed.columns]
        found = zip(names, parts, strict=True)
        return self._until_us({key: part if isinstance(part, str | int | date) else None for key, part in found})

    def _until_us(self, values: Mapping[str, KeyPart | None]) -> int | None:
        until: datetime | None = self._erasures.erased_until(self._keyed.entity, values)
        return None if until is None else instant_us(until)


def _has_word(value: bytes, word: bytes) -> bool:
    """Return whether a word stands in bytes by itself.

    >>> [_has_word(text, b"c1") for text in (b"{card: c1", b"c12", b"abc1", b"c1")]
    [True, False, False, True]
    """
    begin = value.find(word)
    while begin >= 0:
        around = value[max(begin - 1, 0) : begin] + value[begin + len(word) : begin + len(word) + 1]
        if not any(_of_word(sign) for sign in around):
            return True
        begin = value.find(word, begin + 1)
    return False


def _of_word(sign: int) -> bool:
    return sign >= 0x80 or chr(sign).isalnum() or sign in b"_-"  # beyond ASCII
