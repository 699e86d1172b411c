"""The register of a source in a database: each method is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from featurectl.core.errors import StoreError
from featurectl.online.stream_sql import statements as tables
from featurectl.online.stream_sql.base import StreamDatabase, StreamStep
from featurectl.online.stream_state.base import (
    MOST,
    MOST_PARTITIONS,
    RETIRED,
    Generation,
    GenerationCut,
    KnownStamps,
    NewGeneration,
    PartitionRetirement,
    ReadingPosition,
    RegisterState,
    RetiredPartition,
    StampClaim,
    StampRange,
    StreamPartition,
    ViewGenerations,
    check_exact,
)
from featurectl.online.stream_state.stamping import StampedEnd, clipped, covers, plan_stamps, relevant


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRow:
    """A partition as the table has it: ranges that begin before `whole` are done, `stamp` is the last one's."""

    number: int
    first: int
    kept: int
    whole: int
    done: int
    end: int
    stamp: int
    applied: int


class SqlStampRegister:
    """A `StampRegister` in a database."""

    def __init__(self, database: StreamDatabase, source: int) -> None:
        self._database = database
        self._source = source

    def add_partition(self, name: str, first: int = 0) -> int:
        """Return the number of a partition, which begins at an offset and at `asof` where it was not known."""
        check_exact(first)
        with self._database.transaction() as step:
            found = step.execute(tables.FIND_PARTITION, (self._source, name)).fetchone()
            if found is not None:
                return int(found[0])
            step.execute(tables.ADD_PARTITION, (self._source, name, first))
            number = int(step.execute(tables.FIND_PARTITION, (self._source, name)).fetchone()[0])
            if number >= MOST_PARTITIONS:
                raise StoreError(f"the stream has had more than {MOST_PARTITIONS:,} partitions", code="FC602")
            return number

    def claim(self, partition: int, first: int, end: int, known: KnownStamps) -> StampClaim | None:
        """Stamp the offsets of a batch that have no stamp; None: the worker begins anew."""
        check_exact(first, end)
        with self._database.transaction() as step:
            row = self._active(step, partition)
            if row is None or first > row.end:
                return None
            forgotten = min(end, row.kept)
            if not covers(known.logged, first, forgotten):
                return None
            (last,) = step.execute(tables.LAST, (self._source,)).fetchone()
            known = relevant(known, first)
            at = StampedEnd(end=row.end, stamp=row.stamp, applied=row.applied, last=last)
            clock = self._database.clock(step)
            for each in plan_stamps(at, first, end, clock, known):
                row = self._add(step, row, each)
                last = max(last, each.stamp)
            step.execute(tables.PUT_LAST, (self._source, last))
            stamps = [
                *clipped(known.logged, first, forgotten),
                *_stamps(step, self._source, partition, first, end),
            ]
            cuts = step.execute(tables.CUTS, (self._source, partition, row.first))
            named = [GenerationCut(generation=Generation(view=view, id=name), cut=cut) for view, name, cut in cuts]
            return StampClaim(stamps=stamps, generations=named, last=last)

    def begin_stamps(self, least: int | None = None) -> int:
        """Return an instant before which no stamp is that is kept or will be given: as late a one as there is."""
        with self._database.transaction() as step:
            _, last, *_ = step.execute(tables.SOURCE, (self._source,)).fetchone()
            (kept,) = step.execute(tables.LEAST_KEPT_STAMP, (self._source,)).fetchone()
            begun = max(self._database.clock(step) if least is None else least, last + 1)
            step.execute(tables.PUT_LAST, (self._source, begun - 1))
            return int(begun if kept is None else min(begun, kept))

    def finish(self, partition: int, first: int, end: int, written: Sequence[Generation]) -> bool:
        """Say that offsets are in the lists of some generations; False: the worker begins anew."""
        with self._database.transaction() as step:
            row = self._active(step, partition)
            if row is None or end > row.end or first > row.done:
                return False
            named = step.execute(tables.NAMED, (self._source,)).fetchall()
            if not {(each.view, each.id) for each in written}.issuperset(named):
                return False
            done = max(row.done, end)
            found = step.execute(tables.WHOLE_STAMP, (self._source, partition, row.whole, done)).fetchone()
            whole, stamp = found or (row.whole, 0)
            self._put(step, replace(row, done=done, whole=whole, applied=max(row.applied, stamp)))
            step.execute(tables.PUT_ASOF, (self._source,))
            return True

    def heartbeat(self, positions: Sequence[ReadingPosition]) -> list[bool]:
        """Promise that nothing came up to now in some partitions; False of one: the worker begins anew with it."""
        with self._database.transaction() as step:
            clock = self._database.clock(step)
            answers = [self._beat(step, position, clock) for position in positions]
            step.execute(tables.PUT_ASOF, (self._source,))
            return answers

    def retire(self, partitions: Sequence[RetiredPartition], until: int = RETIRED) -> PartitionRetirement | None:
        """Have nothing come of some partitions any more, nor wait for them; None where more came than was looked at."""
        with self._database.transaction() as step:
            asof, last, *_ = step.execute(tables.SOURCE, (self._source,)).fetchone()
            gave_up, greatest, lost = False, last, list[int]()
            active = []
            for each in partitions:
                named = step.execute(tables.FIND_PARTITION, (self._source, each.name)).fetchone()
                row = None if named is None else self._active(step, named[0])
                if row is not None:
                    active.append((each, row))
            if max(asof, last) > until or any(of.taken not in (None, row.end) for of, row in active):
                return None
            for each, row in active:
                gave_up |= not row.end == row.done == each.end
                lost += filter(None, step.execute(tables.LEAST_STAMP, (self._source, row.number, each.end)).fetchone())
                step.execute(tables.FORGET_STAMPS, (self._source, row.number, MOST))
                ends = {"kept": each.end, "whole": each.end, "done": each.end, "end": each.end}
                self._put(step, replace(row, **ends, stamp=each.stamp, applied=RETIRED))
                greatest = max(greatest, each.stamp)
            step.execute(tables.PUT_LAST, (self._source, greatest))
            if gave_up:
                void(step, self._source)
            step.execute(tables.PUT_ASOF, (self._source,))
            return PartitionRetirement(asof=asof, last=last, lost_from=min(lost, default=None), gave_up=gave_up)

    def forget(self, partition: int, below: int) -> None:
        """Let go the stamps of ranges that end at or before a logged offset and are done."""
        with self._database.transaction() as step:
            row = self._row(step, partition)
            if row is None:
                return
            where = (self._source, partition)
            (kept,) = step.execute(tables.FORGOTTEN_END, (*where, row.whole, below)).fetchone()
            if kept is not None:
                step.execute(tables.FORGET_STAMPS, (*where, kept))
                self._put(step, replace(row, kept=kept))

    def read_state(self) -> RegisterState:
        """Return what the register holds, but the stamps."""
        with self._database.transaction(writing=False) as step:
            return state_of(step, self._source, self._database.clock(step))

    def read_stamps(self, partition: int, first: int, end: int) -> list[StampRange]:
        """Return the stamps that are kept of some offsets, in their order."""
        with self._database.transaction(writing=False) as step:
            return _stamps(step, self._source, partition, first, end)

    def _active(self, step: StreamStep, partition: int) -> PartitionRow | None:
        """Return a partition of which something may come."""
        row = self._row(step, partition)
        return None if row is None or row.applied == RETIRED else row

    def _row(self, step: StreamStep, partition: int) -> PartitionRow | None:
        found = step.execute(tables.PARTITION, (self._source, partition)).fetchone()
        if found is None:
            return None
        first, kept, whole, done, end, stamp, applied = found
        return PartitionRow(
            number=partition, first=first, kept=kept, whole=whole, done=done, end=end, stamp=stamp, applied=applied
        )

    def _put(self, step: StreamStep, row: PartitionRow) -> None:
        values = (row.kept, row.whole, row.done, row.end, row.stamp, row.applied)
        step.execute(tables.PUT_PARTITION, (self._source, row.number, *values))

    def _add(self, step: StreamStep, row: PartitionRow, added: StampRange) -> PartitionRow:
        """Add a range at the end, to the last one where it has its stamp and is not done: a stamp is never split."""
        where = (self._source, row.number)
        if row.whole < row.end and row.stamp == added.stamp:
            (last,) = step.execute(tables.LAST_STAMP, where).fetchone()
            step.execute(tables.EXTEND_STAMP, (*where, last, added.end))
        else:
            step.execute(tables.ADD_STAMP, (*where, added.first, added.end, added.stamp))
        grown = replace(row, end=added.end, stamp=added.stamp)
        self._put(step, grown)
        return grown

    def _beat(self, step: StreamStep, at: ReadingPosition, clock: int) -> bool:
        row = self._active(step, at.partition)
        if row is None:
            return False
        if not at.position == row.end == row.done:
            return at.position <= row.end
        if at.at_end and clock > row.applied:
            self._put(step, replace(row, applied=clock))
        return True


def _stamps(step: StreamStep, source: int, partition: int, first: int, end: int) -> list[StampRange]:
    found = step.execute(tables.STAMPS, (source, partition, first, end))
    return list(clipped([StampRange(first=a, end=b, stamp=stamp) for a, b, stamp in found], first, end))


class SqlGenerations:
    """A `GenerationRegister` in a database."""

    def __init__(self, database: StreamDatabase, source: int) -> None:
        self._database = database
        self._source = source

    def add(self, generation: Generation, layout: str = "") -> NewGeneration:
        """Name a generation to be written from now on, in the place of one of its view that was never read."""
        generation.check()
        of = (self._source, generation.view, generation.id)
        with self._database.transaction() as step:
            step.execute(tables.ADD_VIEW, of[:2])
            step.execute(tables.UNNAME_OTHERS, of)
            found = step.execute(tables.FIND_GENERATION, of).fetchone()
            if found is None:
                step.execute(tables.ADD_GENERATION, (*of, layout))
                found = (*step.execute(tables.FIND_GENERATION, of).fetchone()[:1], False)
            number, named = found
            if not named:
                step.execute(tables.NAME_GENERATION, (number,))
                step.execute(tables.PUT_CUTS, (self._source, number))
            (asof,) = step.execute(tables.GENERATION_ASOF, (number,)).fetchone()
            return NewGeneration(cuts=dict(step.execute(tables.GENERATION_CUTS, (number,))), asof=asof)

    def switch(self, generation: Generation) -> bool:
        """Have a generation read and written alone; False where it is not named, or not all before its cut is done."""
        of = (self._source, generation.view, generation.id)
        with self._database.transaction() as step:
            found = step.execute(tables.FIND_GENERATION, of).fetchone()
            if found is None or not found[1]:
                return False
            if step.execute(tables.NOT_DONE, (self._source, found[0])).fetchone()[0]:
                return False
            step.execute(tables.PUT_LIVE, of)
            step.execute(tables.UNNAME_OTHERS, of)
            return True

    def drop(self, generation: Generation) -> None:
        """Neither write nor read a generation any more."""
        of = (self._source, generation.view, generation.id)
        with self._database.transaction() as step:
            step.execute(tables.UNNAME, of)
            step.execute(tables.DROP_LIVE, of)

    def drop_unread(self, generation: Generation) -> bool:
        """Write a generation no more, unless it is read; return whether it is neither written nor read now."""
        with self._database.transaction() as step:
            if (generation.view, generation.id) in map(tuple, step.execute(tables.VIEWS, (self._source,))):
                return False
            step.execute(tables.UNNAME, (self._source, generation.view, generation.id))
            return True

    def void(self) -> None:
        """Give up all generations."""
        with self._database.transaction() as step:
            void(step, self._source)


def void(step: StreamStep, source: int) -> None:
    """Give up all generations of a source."""
    step.execute(tables.UNNAME_ALL, (source,))
    step.execute(tables.DROP_ALL_LIVE, (source,))


def state_of(step: StreamStep, source: int, clock_us: int = 0) -> RegisterState:
    """Return what the register of a source holds, but the stamps; nothing where it is not there."""
    asof, last, run, left = step.execute(tables.SOURCE, (source,)).fetchone() or (0, 0, "", 0)
    named: dict[str, list[str]] = {}
    for view, name in step.execute(tables.NAMED, (source,)):
        named.setdefault(view, []).append(name)
    views = {
        view: ViewGenerations(view=view, live=live, named=named.get(view, []))
        for view, live in step.execute(tables.VIEWS, (source,))
    }
    partitions = [
        StreamPartition(name=name, number=number, first=first, kept=kept, done=done, end=end, applied=applied)
        for name, number, first, kept, done, end, applied in step.execute(tables.PARTITIONS, (source,))
    ]
    return RegisterState(
        partitions=partitions, asof=asof, last=last, views=views, run=run, left=left, clock_us=clock_us
    )
