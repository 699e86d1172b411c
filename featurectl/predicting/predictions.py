"""A prediction on an event, and how it is written where it goes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from featurectl.core.units import format_iso, from_us
from featurectl.streaming.event_keys import list_key, text_key
from featurectl.streaming.topics.base import Record

_ID_BYTES: Final = 16
_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
OWN: Final = (
    "prediction_id",
    "model",
    "version",
    "event_time",
    "known_at",
    "error",
    "topic",
    "partition",
    "offset",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPrediction:
    """What a model version says of an event: a score, or why there is none.

    `keys` are those of its entities, by their columns in the event, and `key_types` their types. `output` is what the
    model calls its score.
    `event_us` is when the event happened, `time_us` when windows end and `known_us` up to when what was available
    counts, in microseconds since 1970.
    """

    id: str
    model: str
    version: int
    output: str
    score: float | None
    error: str | None
    keys: Mapping[str, object]
    key_types: Mapping[str, str]
    event_us: int
    time_us: int
    known_us: int
    topic: str
    partition: int
    offset: int

    def fields(self) -> dict[str, object]:
        """Return it as a flat object: keys by their own names, but for those that are called as one of the others."""
        keys = {self.key_column(name): value for name, value in self.keys.items()}
        return keys | {
            self.output: self.score,
            "error": self.error,
            "event_time": from_us(self.event_us),
            "known_at": from_us(self.known_us),
            "model": self.model,
            "version": self.version,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "prediction_id": self.id,
        }

    def key_column(self, name: str) -> str:
        """Return what a key is called beside the other fields."""
        return f"key_{name}" if name in OWN or name == self.output else name

    def record(self) -> Record:
        """Return it as a message: its key is that of the entity, as events of a stream with that `key` have it."""
        values = [*map(_plain, self.keys.values())]
        key = None if not values or None in values else text_key(values[0]) if len(values) == 1 else list_key(values)
        return key, _ENCODER.encode(self.fields())


def prediction_id(model: str, topic: str, partition: str, offset: int) -> str:
    """Return what names the prediction of a model on an event, whichever version makes it and however often.

    `partition` is as the log calls it: a topic that was made again has others.

    >>> prediction_id("fraud", "swipes", "0", 7) == prediction_id("fraud", "swipes", "0", 7)
    True
    >>> len(prediction_id("fraud", "swipes", "0", 7))
    32
    """
    text = "\0".join((model, topic, partition, str(offset)))
    return hashlib.blake2b(text.encode(), digest_size=_ID_BYTES).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return format_iso(value)
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value
