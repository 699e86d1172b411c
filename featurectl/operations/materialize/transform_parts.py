"""The parts of a transform's sources: what was read of each, and which of their rows came late or changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.erasures import Erasures
from featurectl.core.units import moved_by, united
from featurectl.engines.base import SAME_AS_READ, TOO_LATE, Engine, PartsSeen, Piece, SourceParts
from featurectl.engines.erased_source import ErasedSourceRows
from featurectl.engines.spans import PartRows
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import transform_sources
from featurectl.language.typing.registered import type_source
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.part_rows import ReadParts
from featurectl.sources.base import Increment, SourcePart, SourceReader, SourceScan
from featurectl.sources.failures import reading

NOTHING_NEW: Final = "no new rows"


def why_again(reason: str) -> str:
    """Return why a table is made anew, also where no source has new rows: what was returned before is known by now."""
    return "rows that the function returned may be known now" if reason == NOTHING_NEW else reason


@dataclass(frozen=True, slots=True, kw_only=True)
class InputParts:
    """A source with its parts, what of them is read, and what the table has read of the source (None: nothing)."""

    source: Source
    reader: SourceReader
    parts: tuple[SourcePart, ...]
    increment: Increment
    before: Coverage | None

    def count(self, engine: Engine, now: datetime, taken_after: datetime | None) -> tuple[Coverage, PartsSeen]:
        """Return what was read of each part by now, and what was found of those that are read."""
        read = ReadParts(reader=self.reader, parts=self.parts, columns={}, base=self.before)
        pieces: dict[str, Piece] = {}
        for scan in self.increment.scans if self.source.available_at is not None and self.source.sql is None else ():
            for part in scan.parts:
                piece = Piece(scan=self._scan(part), until=now, after=scan.after)
                pieces[part.name] = read.looks_again(piece, part, scan)
        if not pieces:
            return read.covered(Coverage(), {}, PartsSeen()), PartsSeen()
        asked = SourceParts(
            source=self.source, pieces=list(pieces.values()), others=self._others(pieces, now), taken_after=taken_after
        )
        with reading(f"source {self.source.name}"):
            seen = engine.count_parts(asked)
        return read.covered(Coverage(), pieces, seen), seen

    def _others(self, pieces: Mapping[str, Piece], now: datetime) -> list[Piece]:
        """Return the parts that were read before and are as they were then."""
        if self.before is None:
            return []
        names = self.before.parts.keys() - pieces.keys()
        until = self.before.watermark
        return [Piece(scan=self._scan(part), until=now, after=until) for part in self.parts if part.name in names]

    def _scan(self, part: SourcePart) -> SourceScan:
        return SourceScan(reader=self.reader, parts=(part,))


def parts_of(base: Coverage, source: Source) -> Coverage:
    """Return what a table has read of the parts of one of its sources."""
    mine = f"{source.name}/"
    return Coverage(
        parts={name.removeprefix(mine): stamp for name, stamp in base.parts.items() if name.startswith(mine)},
        held=tuple(name.removeprefix(mine) for name in base.held if name.startswith(mine)),
        watermark=base.watermarks.get(source.name),
        now=base.now,
        part_rows={name.removeprefix(mine): rows for name, rows in base.part_rows.items() if name.startswith(mine)},
        changed_parts=tuple(name.removeprefix(mine) for name in base.changed_parts if name.startswith(mine)),
        changed_events=base.changed_events,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LateOfInputs:
    """What was read of the parts of all sources by now, and what was found late in this run."""

    covered: Coverage
    dropped: Mapping[str, int]
    late_events: tuple[datetime, datetime] | None


def count_inputs(
    engine: Engine, inputs: Sequence[InputParts], now: datetime, taken_after: datetime | None
) -> LateOfInputs:
    """Return what there is to know of the parts of a transform's sources."""
    rows: dict[str, PartRows] = {}
    changed: list[str] = []
    changed_events, late_events = [], []
    dropped: Counter[str] = Counter()
    for item in inputs:
        covered, seen = item.count(engine, now, taken_after)
        rows |= {f"{item.source.name}/{name}": of_part for name, of_part in covered.part_rows.items()}
        changed += [f"{item.source.name}/{name}" for name in covered.changed_parts]
        changed_events.append(covered.changed_events)
        late_events.append(seen.late_events)
        dropped += Counter({TOO_LATE: seen.late, SAME_AS_READ: seen.same})
    whole = Coverage(part_rows=rows, changed_parts=tuple(changed), changed_events=united(*changed_events))
    return LateOfInputs(covered=whole, dropped=dict(dropped), late_events=united(*late_events))


def with_late_rows(covered: Coverage, base: Coverage | None, found: LateOfInputs, after: datetime | None) -> Coverage:
    """Return a coverage with what was found late or changed, after all that was known later than `after` was computed.

    What was found before is in the table now where all of it was known later. `after` None: the table was made anew.
    """
    if after is None:
        dropped = {reason: count for reason, count in covered.dropped.items() if reason not in (TOO_LATE, SAME_AS_READ)}
        return replace(covered, part_rows=found.covered.part_rows, dropped=dropped)
    base = base or Coverage()
    late = base.late_events if base.late_events is not None and base.late_events[0] <= after else None
    dropped = dict(covered.dropped)
    if base.late_events is not None and late is None:
        dropped.pop(TOO_LATE, None)
    events = found.covered.changed_events
    is_changed = events is not None and events[0] <= after
    return replace(
        covered,
        part_rows=found.covered.part_rows,
        dropped=dict(Counter(dropped) + Counter(found.dropped)),
        late_events=united(late, found.late_events),
        changed_parts=found.covered.changed_parts if is_changed else (),
        changed_events=events if is_changed else None,
    )


def typed_sources(view: FeatureView, readers: Sequence[SourceReader]) -> FeatureView:
    """Return the view with the types of all its sources known."""
    assert view.transform is not None
    first, *others = [
        source if source.columns and UNKNOWN not in source.columns.values() else type_source(source, reader.columns())
        for source, reader in zip(transform_sources(view), readers, strict=True)
    ]
    return replace(view, source=first, transform=replace(view.transform, others=tuple(others)))


def erased_rows(erasures: Erasures, view: FeatureView) -> ErasedSourceRows | None:
    """Return whose rows a transform is not given; None: those of all."""
    if view.entity is None or not erasures.of(view.entity.name):
        return None
    columns = {key: view.join.get(key, key) for key in view.keys}
    return ErasedSourceRows(erasures=erasures, entity=view.entity.name, columns=columns)


def earlier_by(instant: datetime, length_us: int) -> datetime:
    """Return an instant so many microseconds before another."""
    return moved_by(instant, -timedelta(microseconds=length_us))
