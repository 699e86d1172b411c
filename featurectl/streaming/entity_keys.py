"""The keys of the entities of a source's views, of which an event may have one that is too long for a store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, cast

from featurectl.core.dtypes import MOST_KEY_BYTES, STRING
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import KeyValue
from featurectl.online.codec import pack_key
from featurectl.streaming.event_decoder import BadEvent, EventDecoder, EventRow

EntityKey = tuple[tuple[str, str], ...]  # the columns of a source that are a key, and their types
_MOST_OF_OTHERS: Final = 24  # bytes of a part that is no text: `i20:-9223372036854775808`
_MOST_OF_LENGTH: Final = 12  # bytes that a text takes besides its own
_MOST_OF_LETTER: Final = 4  # bytes


def entity_keys(views: Iterable[FeatureView]) -> frozenset[EntityKey]:
    """Return the different keys of views of one source that are kept online."""
    online = [view for view in views if view.online and view.key_columns]
    return frozenset(tuple(zip(view.key_columns, view.key_types.values(), strict=True)) for view in online)


class LongKeys:
    """Finds the events of which a key has more bytes than stores take. A key of which a part is null is none."""

    def __init__(self, keys: Collection[EntityKey], decoder: EventDecoder) -> None:
        self._keys = []
        for key in sorted(keys):
            places, types = [decoder.places[name] for name, _ in key], [dtype for _, dtype in key]
            texts = [place for place, dtype in zip(places, types, strict=True) if dtype == STRING]
            spare = MOST_KEY_BYTES - _MOST_OF_OTHERS * (len(key) - len(texts)) - _MOST_OF_LENGTH * len(texts)
            if texts or spare < 0:  # texts that all have fewer letters than `short` fit
                short = max(spare, 0) // _MOST_OF_LETTER // max(len(texts), 1)
                self._keys.append((key, places, types, texts, short))

    def find(self, rows: Sequence[EventRow]) -> Mapping[int, BadEvent]:
        """Return why events are rejected, by their places."""
        found: dict[int, BadEvent] = {}
        for key, places, types, texts, short in self._keys:
            long = {n for at in texts for n, row in enumerate(rows) if len(cast("str", row[at] or "")) >= short}
            for number in long if texts else range(len(rows)):  # nearly always none
                values = [rows[number][place] for place in places]
                if None in values:
                    continue
                size = len(pack_key(cast("Sequence[KeyValue]", values), types))
                if size > MOST_KEY_BYTES:
                    longest = max(range(len(key)), key=lambda part: len(str(values[part])))
                    found.setdefault(number, BadEvent(_too_long(size), key[longest][0]))
        return found


def _too_long(size: int) -> str:
    return f"the key of its entity takes {size:,} bytes in a store, {MOST_KEY_BYTES:,} are allowed"
