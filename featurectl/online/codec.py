"""The bytes of a row, of an entity's key and of a push record, readable from any language.

A row of format 1:

    bytes 0      format: 1
    bytes 1-2    schema id, unsigned, big-endian (`online/row_schema.py`; the document lies in the store)
    bytes 3-9    event_time: when the newest row behind the values was true
    bytes 10-16  available_at: when that row could be known
    bytes 17-23  computed_at: the instant for which the values were computed
    bytes 24-    a MessagePack array: the features in the schema's order

One of format 2 (state views) or 3 (event views), for a row that could be known when it was true:

    bytes 0      format: 2 or 3
    bytes 1-2    schema id
    bytes 3-9    event_time, which is available_at, too (2), or computed_at (3)
    bytes 10-15  how much later computed_at is than event_time: microseconds, unsigned, big-endian
    bytes 16-    the features

An instant is unsigned, big-endian, in 7 bytes: microseconds since 0001-01-01T00:00:00Z, plus 1; 0 is none. It
reaches the year 2284. Instants therefore order as bytes do: of two rows of one format the newer is the one with the
greater bytes 3-23 (state views) or 17-23 (event views), of the short ones 3-15 and 3-9. Rows of several formats may
stand side by side. A store of bounded memory gets the short ones: with five float64 a row is 62 bytes, and Redis keeps
fields of up to 64 in a compact form.

Values: string, int64, float64 and bool are MessagePack's; null is nil; a timestamp is an integer of microseconds
and a date one of days since 1970-01-01; a decimal is its text with all digits of its scale; a list is an array.

An entity's key is text: for each key value, in the entity's order, a letter for its type (s string, i int64,
b bool as 0 or 1, d date as days since 1970-01-01), its length in UTF-8 bytes, a colon, and its text. Airport
`JFK` is `s3:JFK`, the route from EWR to JFK `s3:EWRs3:JFK`, customer 42 `i2:42`; without an entity it is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from featurectl.core.documents import parse_json
from featurectl.core.dtypes import BOOL, DATE, INT64, STRING
from featurectl.core.units import from_us, instant_us
from featurectl.online.base import Bound, KeyValue, PushRecord, VersionedBy
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.row_schema import typed_columns

PLAIN, BY_EVENT, BY_COMPUTED = 1, 2, 3  # formats of rows
ROW_FORMATS = (PLAIN, BY_EVENT, BY_COMPUTED)
SHORT_FORMATS: Mapping[VersionedBy, int] = {"event": BY_EVENT, "computed": BY_COMPUTED}
HEADER_BYTES = 24
COMPACT_HEADER_BYTES = 16  # of formats 2 and 3
SINCE_BYTES = 6  # in which computed_at is counted from event_time there
INSTANT_BYTES = 7
INSTANT_END = 1 << (8 * INSTANT_BYTES)
INSTANT_ZERO_US = -62_135_596_800_000_001  # what 0 stands for: a microsecond before 0001-01-01
SCHEMA_BYTES = (1, 3)  # these are half-open
EVENT_BYTES = (3, 10)
AVAILABLE_BYTES = (10, 17)
COMPUTED_BYTES = (17, 24)
NEWER_BYTES: Mapping[VersionedBy, tuple[int, int]] = {
    "event": (EVENT_BYTES[0], HEADER_BYTES),
    "computed": COMPUTED_BYTES,
}
RECORD_NEWER_BYTES = (0, INSTANT_BYTES)
KEY_LETTERS: Mapping[str, str] = {STRING: "s", INT64: "i", BOOL: "b", DATE: "d"}

_INT64_END = 1 << 63
_DIGEST = re.compile("[0-9a-f]{64}")


def pack_key(values: Sequence[KeyValue], dtypes: Sequence[str]) -> bytes:
    """Return the bytes of an entity's key.

    >>> pack_key(["EWR", 7], ["string", "int64"])
    b's3:EWRi1:7'
    """
    parts = []
    for value, dtype in zip(values, dtypes, strict=True):
        text = str(int(value)) if isinstance(value, bool) else str(value)
        encoded = text.encode()
        parts.append(f"{KEY_LETTERS[dtype]}{len(encoded)}:".encode() + encoded)
    return b"".join(parts)


def pack_instant(instant: datetime | None) -> bytes:
    """Return the 7 bytes of an instant.

    >>> pack_instant(None).hex()
    '00000000000000'
    """
    number = 0 if instant is None else instant_us(instant) - INSTANT_ZERO_US
    return number.to_bytes(INSTANT_BYTES, "big")


def header_bytes(data: bytes) -> int:
    """Return how many bytes of a row come before its features."""
    return HEADER_BYTES if data[:1] in (b"", b"\x01") else COMPACT_HEADER_BYTES


def unpack_header(data: bytes) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Return `event_time`, `available_at` and `computed_at` of a row that is long enough."""
    if data[0] == PLAIN:
        event, available, computed = (data[slice(*at)] for at in (EVENT_BYTES, AVAILABLE_BYTES, COMPUTED_BYTES))
        return unpack_instant(event), unpack_instant(available), unpack_instant(computed)
    first = int.from_bytes(data[slice(*EVENT_BYTES)], "big")
    since = int.from_bytes(data[EVENT_BYTES[1] : COMPACT_HEADER_BYTES], "big")
    event_us, computed_us = (first, first + since) if data[0] == BY_EVENT else (first - since, first)
    event_time = from_us(event_us + INSTANT_ZERO_US)
    return event_time, event_time, from_us(computed_us + INSTANT_ZERO_US)


def pack_bound(bound: Bound | None) -> bytes:
    """Return the 7 bytes of what a bound says now; None: nothing is later."""
    instant = None if bound is None else bound()
    if instant is None or instant_us(instant) - INSTANT_ZERO_US >= INSTANT_END:
        return b"\xff" * INSTANT_BYTES
    return pack_instant(instant)


def unpack_instant(data: bytes) -> datetime | None:
    """Return the instant of 7 bytes."""
    number = int.from_bytes(data, "big")
    return from_us(number + INSTANT_ZERO_US) if number else None


def pack_record(record: PushRecord) -> bytes:
    """Return the bytes of a push record: 7 bytes of `computed_at`, then JSON."""
    fields: dict[str, object] = {
        "watermark": None if record.watermark is None else instant_us(record.watermark),
        "newest_event": None if record.newest_event is None else instant_us(record.newest_event),
        "table_version": record.table_version,
        "entities": record.entities,
        "schema": record.schema,
        "rebuild_id": record.rebuild_id,
        "kept_until": None if record.kept_until is None else instant_us(record.kept_until),
    }
    fields |= {"columns": dict(record.columns)} if record.columns else {}
    fields |= {"erased": record.erased} if record.erased else {}
    fields |= {"applied_at": instant_us(record.applied_at)} if record.applied_at else {}
    return pack_instant(record.computed_at) + json.dumps(fields, separators=(",", ":")).encode()


def unpack_record(data: bytes, field: str) -> PushRecord:
    """Return a push record of a view version (`spend@1`) from its bytes.

    Raises:
        BrokenRecordError: it is none.
    """
    try:
        return _unpacked_record(data)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise BrokenRecordError(field) from error


def _unpacked_record(data: bytes) -> PushRecord:
    computed_at = unpack_instant(data[:INSTANT_BYTES])
    if computed_at is None:
        raise ValueError(data)
    fields = parse_json(data[INSTANT_BYTES:])
    kept_until = fields.get("kept_until")  # absent, like the rebuild, in records written before there was one
    return PushRecord(
        computed_at=computed_at,
        watermark=_instant_or_none(fields["watermark"]),
        newest_event=_instant_or_none(fields["newest_event"]),
        table_version=_natural(fields["table_version"]),
        entities=_natural(fields["entities"]),
        schema=_digest(fields["schema"]),
        rebuild_id=_text(fields.get("rebuild_id", "")),
        kept_until=_instant_or_none(kept_until),
        columns=typed_columns(fields.get("columns", {})),
        erased=_natural(fields.get("erased", 0)),
        applied_at=_instant_or_none(fields.get("applied_at")),
    )


def _instant_or_none(value: object) -> datetime | None:
    if value is None:
        return None
    if type(value) is not int:
        raise TypeError(value)
    return from_us(value)


def _natural(value: object) -> int:
    if type(value) is not int or not 0 <= value < _INT64_END:
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _digest(value: object) -> str:
    """Return the digest of a schema; records of old versions have none."""
    text = _text(value)
    if text and not _DIGEST.fullmatch(text):
        raise ValueError(text)
    return text
