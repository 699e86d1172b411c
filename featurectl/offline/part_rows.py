"""The rows read of each part as a short text, which a commit carries beside the parts."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from featurectl.core.documents import parse_json
from featurectl.engines.spans import PartRows, SpanRows, Spans
from featurectl.offline.base import Coverage

_FIELDS: Final = 4  # of a span: its number, the rows, the sum of their hashes, those that came late


def dump_part_rows(coverage: Coverage) -> str:
    """Return the rows of each part that may grow, in the order of the names of all parts; "" where there are none.

    >>> coverage = Coverage(parts={"a": "1", "b": "2"}, part_rows={"b": PartRows()})
    >>> load_part_rows(dump_part_rows(coverage), coverage.parts) == coverage.part_rows
    True
    """
    if not coverage.part_rows:
        return ""
    entries = [_numbers_of(coverage.part_rows.get(name)) for name in sorted(coverage.parts)]
    return base64.b85encode(zlib.compress(json.dumps(entries, separators=(",", ":")).encode(), 9)).decode()


def load_part_rows(packed: str | Mapping[str, object], parts: Mapping[str, str]) -> dict[str, PartRows]:
    """Return the rows of each part that may grow; those that were counted in another way (a mapping) count as none.

    Raises:
        ValueError: it is no such text.
    """
    if not isinstance(packed, str) or not packed:
        return {}
    try:
        entries = parse_json(zlib.decompress(base64.b85decode(packed)).decode())
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return {name: _rows_of(entry) for name, entry in zip(sorted(parts), entries, strict=True) if entry is not None}


def _numbers_of(rows: PartRows | None) -> list[list[int | None]] | None:
    if rows is None:
        return None
    return [_numbers(rows.events), _numbers(rows.known)] if rows.counted else []


def _numbers(spans: Spans) -> list[int | None]:
    flat = [number for i, rows in sorted(spans.rows.items()) for number in (i, rows.count, rows.total, rows.late)]
    return [spans.level, spans.first, *flat]


def _rows_of(entry: Sequence[Sequence[int]]) -> PartRows:
    if not entry:
        return PartRows(counted=False)
    events, known = (_spans(numbers) for numbers in entry)
    return PartRows(events=events, known=known)


def _spans(numbers: Sequence[int]) -> Spans:
    level, first, *flat = numbers
    found = [flat[i : i + _FIELDS] for i in range(0, len(flat), _FIELDS)]
    return Spans(level=level, first=first, rows={i: SpanRows(*rest) for i, *rest in found})
