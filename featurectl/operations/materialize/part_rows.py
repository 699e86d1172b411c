"""Rows of parts that grow: what was read of each, so that a later run finds those that came late, changed or went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

from featurectl.core.units import counted
from featurectl.engines.base import NOT_COUNTED, NOTHING_READ, PartRows, Piece, Prepared
from featurectl.offline.base import Coverage
from featurectl.sources.base import PartScan, SourcePart, SourceReader


@dataclass(frozen=True, kw_only=True)
class ReadParts:
    """What a table has read of a source (base None: nothing counts), beside its parts and columns as they are now."""

    reader: SourceReader
    parts: Sequence[SourcePart]
    columns: Mapping[str, str]
    base: Coverage | None

    @cached_property
    def gone(self) -> frozenset[str]:
        """The parts that were read and are there no more, of a table whose files are written again as others."""
        if self.base is None or not self.reader.is_snapshot:
            return frozenset()
        return frozenset(self.base.parts.keys() - {part.name for part in self.parts})

    def looks_again(self, piece: Piece, part: SourcePart, scan: PartScan) -> Piece:
        """Return a piece with what was read of its part before, where rows up to its beginning are looked at.

        They are where the part is new or has changed, or has to be read whole.
        """
        if self.base is None or piece.after is None:
            return piece
        if part.name not in self.base.parts:
            return replace(piece, read_before=self._rows_of_gone, in_place=bool(self.gone))
        is_unchanged = part.stamp == self.base.parts[part.name] if part.stamp else self.reader.counts_rows
        if scan.since is not None or is_unchanged:
            return piece
        return replace(piece, read_before=self._rows(part.name))

    def covered(self, covered: Coverage, pieces: Mapping[str, Piece], prepared: Prepared) -> Coverage:
        """Return a coverage with what was read of each part by now, and which of them changed since they were read.

        Only a source with `available_at` has parts that grow: without it a part that has changed is read anew, and a
        query gives what it is asked for.
        """
        source, base = self.reader.source, self.base or Coverage()
        if source.available_at is None or source.sql is not None:
            return covered
        rows, changed = {name: self._rows(name) for name in base.part_rows}, set(base.changed_parts)
        for (name, piece), seen, is_changed in zip(pieces.items(), prepared.parts, prepared.changed, strict=True):
            if piece.after is None or piece.read_before is not None:
                rows[name] = seen
            elif name in rows:
                rows[name] = rows[name].plus(seen)
            changed |= {name} if is_changed else set()
        if in_place := {name for name, piece in pieces.items() if piece.in_place}:
            rows |= dict.fromkeys(self.gone, NOTHING_READ)  # what was read of them is in others now
            changed = changed - self.gone | (in_place if changed & self.gone else set())
        return replace(covered, part_rows=rows, changed_parts=tuple(sorted(changed)))

    @cached_property
    def _rows_of_gone(self) -> PartRows:
        return reduce(PartRows.plus, map(self._rows, self.gone), NOTHING_READ)

    def _rows(self, name: str) -> PartRows:
        """Return what was read of a part; hashes of rows with other columns tell nothing any more."""
        assert self.base is not None
        rows = self.base.part_rows.get(name, NOT_COUNTED)
        return rows if self.base.columns == self.columns else replace(rows, sums=None)


def describe_changed(parts: Sequence[str]) -> str:
    """Return what there is to say of parts that changed after they were read.

    >>> describe_changed(["orders.csv", "b.csv", "c.csv"])
    'rows that were read of orders.csv and 2 other files are changed there or gone'
    """
    others = f" and {counted(len(parts) - 1, 'other file')}" * (len(parts) > 1)
    return f"rows that were read of {parts[0]}{others} are changed there or gone"
