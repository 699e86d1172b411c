"""What stands before the values of rows, of one or of many at once: schema ids and instants.

Instants are microseconds since the first one that a row can have; 0 is none.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from featurectl.online.codec import BY_EVENT, PLAIN, SCHEMA_BYTES

_PLAIN_HEAD: Final = struct.Struct(">QQQ").unpack_from  # 24 bytes: format, schema id, three instants of 7 bytes
_COMPACT_HEAD: Final = struct.Struct(">QQ").unpack_from  # 16 bytes: format, schema id, an instant, a difference of 6
_FIRST_BITS: Final = (1 << 40) - 1  # of the first 8 bytes: an instant's first 5
_SINCE_BITS: Final = (1 << 48) - 1
_AVAILABLE_BITS: Final = (1 << 48) - 1
_COMPUTED_BITS: Final = (1 << 56) - 1
_SCHEMA: Final = slice(*SCHEMA_BYTES)


class RowHeads(NamedTuple):
    """The heads of rows: which schemas they have, and of each row when it was true, could be known, was computed."""

    schemas: frozenset[bytes]
    events: Sequence[int]
    available: Sequence[int]
    computed: Sequence[int]


def instants_of(data: bytes) -> tuple[int, int, int]:
    """Return when a row of a known format was true, could be known, and was computed.

    Raises:
        ValueError: it was true before the first instant.
    """
    kind = data[0]
    if kind == PLAIN:
        first, second, third = _PLAIN_HEAD(data)
        available = (second & _AVAILABLE_BITS) << 8 | third >> 56
        return (first & _FIRST_BITS) << 16 | second >> 48, available, third & _COMPUTED_BITS
    first, second = _COMPACT_HEAD(data)
    instant, since = (first & _FIRST_BITS) << 16 | second >> 48, second & _SINCE_BITS
    if kind == BY_EVENT:
        return instant, instant, instant + since
    if since >= instant:
        raise ValueError(data)
    return instant - since, instant - since, instant


def heads_of(rows: Sequence[bytes], formats: frozenset[int]) -> RowHeads | None:
    """Return the heads of many rows; None where one is of another format than these."""
    kinds = {data[0] for data in rows}
    if not kinds <= formats:
        return None
    schemas = frozenset([data[_SCHEMA] for data in rows])
    if kinds == {BY_EVENT}:
        pairs = [*map(_COMPACT_HEAD, rows)]
        events = [(first & _FIRST_BITS) << 16 | second >> 48 for first, second in pairs]
        return RowHeads(
            schemas, events, events, [e + (s & _SINCE_BITS) for e, (_, s) in zip(events, pairs, strict=True)]
        )
    if kinds == {PLAIN}:
        heads = [*map(_PLAIN_HEAD, rows)]
        events = [(first & _FIRST_BITS) << 16 | second >> 48 for first, second, _ in heads]
        available = [(second & _AVAILABLE_BITS) << 8 | third >> 56 for _, second, third in heads]
        return RowHeads(schemas, events, available, [third & _COMPUTED_BITS for _, _, third in heads])
    found = [*map(instants_of, rows)]
    return RowHeads(schemas, [e for e, _, _ in found], [a for _, a, _ in found], [c for _, _, c in found])
