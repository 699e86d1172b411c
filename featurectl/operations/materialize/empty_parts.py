"""Parts of a source that were read and have no row, as an export of which only the header came."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from featurectl.core.units import counted
from featurectl.engines.base import Piece, Prepared
from featurectl.sources.base import SourcePart, SourceReader

_MOST_BYTES: Final = 16_384  # of a file without rows; a larger one is not looked into


def find_empty_parts(
    reader: SourceReader, parts: Sequence[SourcePart], pieces: Mapping[str, Piece], prepared: Prepared
) -> list[str]:
    """Return the parts of pieces without a row of the view that have no row at all; small files are read again."""
    found, by_name = [], {part.name: part for part in parts}
    for (name, piece), rows, held in zip(pieces.items(), prepared.parts, prepared.held_back, strict=True):
        if rows.count or held or (reader.size_bytes((by_name[name],)) or _MOST_BYTES) >= _MOST_BYTES:
            continue
        if piece.scan.read().head(1).collect().is_empty():
            found.append(name)
    return found


def describe_empty(parts: Collection[str]) -> str:
    """Return what there is to say of parts without a row.

    >>> describe_empty(["data/5.csv", "data/6.csv"])
    'data/5.csv and 1 other file have no row'
    """
    first, *others = parts
    return f"{first} has no row" if not others else f"{first} and {counted(len(others), 'other file')} have no row"
