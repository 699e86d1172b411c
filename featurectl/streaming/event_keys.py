"""The keys of messages, by the columns of events that choose the partition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from featurectl.language.definitions.source import Source


class EventKeys:
    """Makes the keys of messages of a source's events; `event_encoder.py` says what they are."""

    def __init__(self, source: Source) -> None:
        self._columns = source.stream.key if source.stream is not None else ()

    def key_of(self, event: Mapping[str, object]) -> bytes | None:
        """Return the key of a message whose columns have these values, as they are written."""
        values = [event.get(name) for name in self._columns]
        if not values or any(value is None for value in values):
            return None
        return text_key(values[0]) if len(values) == 1 else list_key(values)


def key_fields(key: bytes, columns: Sequence[str]) -> Mapping[str, object]:
    """Return what the key of a message says of the columns that it is made of; nothing where it is no such key.

    >>> key_fields(b"c1", ["card"]), key_fields(b'["c1",7]', ["card", "swipe"]), key_fields(b"c1", ["card", "swipe"])
    ({'card': 'c1'}, {'card': 'c1', 'swipe': 7}, {})
    """
    try:
        values = [key.decode()] if len(columns) == 1 else json.loads(key)
    except (ValueError, RecursionError):
        return {}
    is_whole = isinstance(values, list) and len(values) == len(columns)
    return dict(zip(columns, values, strict=True)) if is_whole else {}


def text_key(value: object) -> bytes:
    """Return the key that one value is.

    >>> text_key("c1"), text_key(7)
    (b'c1', b'7')
    """
    return value.encode() if isinstance(value, str) else _json(value)


def list_key(values: Sequence[object]) -> bytes:
    """Return the key that several values are.

    >>> list_key(["c1", 7])
    b'["c1",7]'
    """
    return _json(list(values))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
