"""Rows of parts that grow: what was read of each, so that a later run finds those that came late, changed or went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, reduce
from typing import Final

from featurectl.core.units import counted, format_iso, united
from featurectl.engines.base import PartsSeen, Piece, Prepared
from featurectl.engines.spans import NOT_COUNTED, NOTHING_READ, PartRows
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.part_begins import still_cut
from featurectl.sources.base import Increment, PartScan, SourcePart, SourceReader
from featurectl.sources.increment import without_reread

_SPANS: Final = 1024  # of all parts together, at least one each


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

    def distinguishable(self, increment: Increment) -> Increment:
        """Return an increment without rows that were read before where these can't be distinguished from the table's.

        Hashes of rows with other columns tell nothing any more.
        """
        if self.base is None or self.base.columns == self.columns:
            return increment
        return without_reread(increment)

    def covered(self, covered: Coverage, pieces: Mapping[str, Piece], seen: Prepared | PartsSeen) -> Coverage:
        """Return a coverage with what was read of each part by now, and which of them changed since they were read.

        Only a source with `available_at` has parts that grow: without it a part that has changed is read anew, and what
        is known is where it begins. A query gives what it is asked for.
        """
        source, base = self.reader.source, self.base or Coverage()
        if source.static or source.sql is not None:
            return covered
        rows, changed = {name: self._rows(name) for name in base.part_rows}, set(base.changed_parts)
        events = [base.changed_events]
        for (name, piece), of_part, ends in zip(pieces.items(), seen.parts, seen.changed, strict=True):
            if piece.after is None or piece.read_before is not None:
                rows[name] = of_part
            elif name in rows:
                rows[name] = rows[name].plus(of_part)
            changed |= {name} if ends else set()
            events.append(ends)
        if in_place := {name for name, piece in pieces.items() if piece.in_place}:
            rows |= dict.fromkeys(self.gone, NOTHING_READ)  # what was read of them is in others now
            changed = changed - self.gone | (in_place if changed & self.gone else set())
        most = max(1, _SPANS // max(1, len(rows)))
        return replace(
            covered,
            part_rows={name: of_part.within(most) for name, of_part in rows.items()},
            changed_parts=tuple(sorted(changed)),
            changed_events=united(*events) if changed else None,
            cut_parts=still_cut(base, rows),
        )

    @cached_property
    def _rows_of_gone(self) -> PartRows:
        return reduce(PartRows.plus, map(self._rows, self.gone), NOTHING_READ)

    def _rows(self, name: str) -> PartRows:
        """Return what was read of a part; hashes of rows with other columns tell nothing any more."""
        assert self.base is not None
        rows = self.base.part_rows.get(name, NOT_COUNTED)
        return rows.hashed(known=self.base.columns == self.columns)


def describe_changed(parts: Sequence[str]) -> str:
    """Return what there is to say of parts that changed after they were read.

    >>> describe_changed(["orders.csv", "b.csv", "c.csv"])
    'rows that were read of orders.csv and 2 other files are changed there or gone'
    """
    others = f" and {counted(len(parts) - 1, 'other file')}" * (len(parts) > 1)
    return f"rows that were read of {parts[0]}{others} are changed there or gone"


def to_mend(view: str, since: datetime | None) -> str:
    """Return the command that takes late rows, or rows as they are now, from an event time on.

    >>> to_mend("orders", datetime.fromisoformat("2026-01-05T00:00:00Z"))
    'materialize orders --since 2026-01-05T00:00:00Z'
    """
    return f"materialize {view} --since {format_iso(since) if since else 'TIME'}"
