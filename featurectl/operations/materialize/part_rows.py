"""Rows of parts that grow: what was read of each, so that a later run finds those that came late, changed or went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featurectl.core.units import counted
from featurectl.engines.base import NOT_COUNTED, NOTHING_READ, PartRows, Piece, Prepared
from featurectl.language.definitions.source import Source
from featurectl.offline.base import Coverage
from featurectl.sources.base import PartScan, SourcePart, SourceReader


def rows_read_before(
    reader: SourceReader, part: SourcePart, scan: PartScan, base: Coverage | None, columns: Mapping[str, str]
) -> PartRows | None:
    """Return what a table has read of a part that is read above an instant; None: what lies below is not looked at.

    It is looked at where the part is new or has changed, or has to be read whole. Rows are the same only where the
    columns are.
    """
    if base is None or scan.after is None:
        return None
    if part.name not in base.parts:
        return NOTHING_READ
    is_unchanged = part.stamp == base.parts[part.name] if part.stamp else reader.counts_rows
    if scan.since is not None or is_unchanged:
        return None
    before = base.part_rows.get(part.name, NOT_COUNTED)
    return before if base.columns == columns else replace(before, sums=None)


def with_part_rows(
    covered: Coverage, base: Coverage | None, source: Source, pieces: Mapping[str, Piece], prepared: Prepared
) -> Coverage:
    """Return a coverage with what was read of each part by now, and which of them changed since they were read.

    Only a source with `available_at` has parts that grow: without it a part that has changed is read anew, and a query
    gives what it is asked for.
    """
    if source.available_at is None or source.sql is not None:
        return covered
    rows = _comparable(base, covered) if base is not None else {}
    changed = set(base.changed_parts if base is not None else ())
    for (name, piece), seen, is_changed in zip(pieces.items(), prepared.parts, prepared.changed, strict=True):
        if piece.after is None or piece.read_before is not None:
            rows[name] = seen
        elif name in rows:
            rows[name] = rows[name].plus(seen)
        changed |= {name} if is_changed else set()
    return replace(covered, part_rows=rows, changed_parts=tuple(sorted(changed)))


def describe_changed(parts: Sequence[str]) -> str:
    """Return what there is to say of parts that changed after they were read.

    >>> describe_changed(["orders.csv", "b.csv", "c.csv"])
    'rows that were read of orders.csv and 2 other files are changed there or gone'
    """
    others = f" and {counted(len(parts) - 1, 'other file')}" * (len(parts) > 1)
    return f"rows that were read of {parts[0]}{others} are changed there or gone"


def _comparable(base: Coverage, covered: Coverage) -> dict[str, PartRows]:
    """Return what was read before; hashes of rows with other columns tell nothing any more."""
    if base.columns == covered.columns:
        return dict(base.part_rows)
    return {name: replace(rows, sums=None) for name, rows in base.part_rows.items()}
