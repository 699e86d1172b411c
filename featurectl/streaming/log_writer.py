"""What workers have taken goes to the log: one commit for all partitions of a worker, every few seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.frames.types import polars_dtype
from featurectl.language.definitions.source import Source
from featurectl.offline.event_log import (
    OFFSET,
    OWN_COLUMNS,
    PARTITION,
    REJECTED,
    STAMP,
    EventLog,
    LoggedPartition,
    LogState,
    OpenedLog,
)
from featurectl.offline.log_tail import last_events
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    RegisterState,
    StampGap,
    StampRange,
    StreamPartition,
)
from featurectl.online.stream_state.protocols import StampRegister, StreamConnection
from featurectl.streaming.commit_beside import CommitJobs, LogCommit
from featurectl.streaming.erased_events import StreamErasures
from featurectl.streaming.generation_records import OlderWorkerError
from featurectl.streaming.logged_events import TakenEvents, TakenRange
from featurectl.streaming.stream_tables import StreamTables

_NEAR: Final = 100_000  # offsets
_NEARER: Final = 32
_MOST_GAPS: Final = 100
QUIET_US: Final = 60_000_000  # where nothing comes, the log says every minute that nothing came


class LogLostError(StoreError):
    """The log lacks events that were logged: the register has let go of their stamps."""

    def __init__(self, shown: str, partition: StreamPartition, end: int) -> None:
        name, kept = partition.name, partition.kept
        super().__init__(
            f"the log {shown} ends at offset {end:,} of partition {name}, and was there up to {kept:,}",
            code="FC617",
            hint="restore it; or `featurectl stream reset SOURCE --log-lost` begins anew with what the topic has",
        )


def check_not_lost(shown: str, partitions: Iterable[StreamPartition], log: LogState) -> None:
    """Check that a log has what was logged of some partitions, as the register said before the log was read.

    Raises:
        LogLostError: it lacks some of it.
    """
    for of in partitions:
        logged = log.partitions.get(of.name)
        end = of.first if logged is None else logged.end
        if end < of.kept and not (logged is not None and logged.is_retired):
            raise LogLostError(shown, of, end)


class LogWriter:
    """Commits what was taken, as far as the register still says the same of it.

    Rejected events go to a table of their own, whose columns are `REJECTED_COLUMNS`. `erased` is the number of the
    newest tombstone that the worker goes by: of one that is newer in the log, rows of it might come back.
    """

    def __init__(self, log: EventLog, rejected: EventLog, erased: int = 0) -> None:
        self._log, self._rejected, self._erased = log, rejected, erased
        self.met_run = ""  # the run of the store up to which losses of stamps are declared

    def say_at_once(self, opened: OpenedLog, gap: StampGap, run: str = "") -> bool:
        """Say in a commit of its own between which instants stamps were lost; False where another commit came between.

        `run` is that of the store which gives stamps from now on; empty: it is the same.

        Raises:
            StoreError: the log can't be written.
        """
        gaps = _kept_gaps((*opened.state.gaps, (gap.after, gap.until)))
        state = replace(opened.state, gaps=gaps, run=run or opened.state.run)
        return self._log.commit(opened, self.nothing(), state)

    def opened(self) -> OpenedLog:
        """Return the log as it is now.

        Raises:
            StoreError: it can't be read.
        """
        return self._log.open()

    def begin(self, partitions: Sequence[StreamPartition], register: StampRegister) -> OpenedLog:
        """Return the log, in which partitions have an entry; one that is new begins where the register says.

        The first commit says as of which instant the stream begins: `history` counts before it, and no stamp of the
        log is before it. What the register says of the partitions was read before.

        Raises:
            LogLostError: it lacks what was logged.
            StoreError: it can't be read or written.
        """
        while True:
            opened = self._log.open()
            known = opened.state.partitions
            check_not_lost(self._log.shown, partitions, opened.state)
            new = {of.name: of for of in partitions if of.name not in known}
            if opened.version is not None and not new:
                return opened
            added = {
                name: LoggedPartition(first=of.first, end=of.first, applied_us=of.applied) for name, of in new.items()
            }
            cut = register.begin_stamps() if opened.state.cut_us is None else opened.state.cut_us
            erased = self._erased if opened.version is None else opened.state.erased  # of a new one nothing is to go
            state = replace(opened.state, partitions={**known, **added}, cut_us=cut, erased=erased)
            self._log.commit(opened, self.nothing(), state)

    def commit(
        self, taken: Mapping[str, TakenEvents], connection: StreamConnection, quiet_us: int = QUIET_US
    ) -> CommitJobs:
        """Log what is new of some partitions, by name; returns None where another commit came between.

        That nothing came is logged where it is so for `quiet_us` since the last commit. The jobs, which read and write
        the tables, may be done in a thread.

        Raises:
            LogLostError: it was there, and lacks what was logged.
            OlderWorkerError: keys were erased since, which the worker does not know.
            ConnectionLostError: the register is another one than that with which partitions were begun.
            StoreError: the log or the register can't be read or written.
        """
        opened: OpenedLog = yield self._log.open
        self._check_erased(opened)
        register = connection.register.read_state()
        if lacking := [of for of in register.partitions if of.name in taken and _is_lacking(opened.state, of)]:
            self.begin(lacking, connection.register)  # it may be newer by now than what was opened
            return None
        if opened.version is None or not taken:  # whoever begins with a partition makes it, and says what was lost
            return LogCommit(ends={}, rows=0)
        if self.met_run not in ("", register.run):  # nor would a loss of stamps be logged: partitions begin anew first
            raise ConnectionLostError("another process has met the online store as one that was replaced", code="FC602")
        state, chosen = self._plan(taken, opened, register, connection)
        late = {name: [*of.late] for name, of in taken.items()}
        late_rows = [rows for of in late.values() for rows in of]
        if not chosen and not late_rows and not _is_worth_a_commit(opened.state, state, quiet_us):
            return LogCommit(ends=_ends(state), rows=0)
        rows = pl.concat([each.rows for each in chosen]) if chosen else self.nothing()
        is_done = yield lambda: self._log_rejected(chosen, late_rows) and self._log.commit(opened, rows, state)
        if not is_done:
            return None
        for name, of in taken.items():
            of.forget_late(late[name])
        return LogCommit(ends=_ends(state), rows=rows.height)

    def _log_rejected(self, chosen: Sequence[TakenRange], late: Sequence[pl.DataFrame]) -> bool:
        """Put rejected events into their table, before the log says that they were; False where another commit came.

        An event that is there already, as a worker was killed between the two, is not put there again.
        """
        frames = [each.rejected for each in chosen if not each.rejected.is_empty()]
        if not frames and not late:
            return True
        opened = self._rejected.open()
        self._check_erased(opened)
        partitions = dict(opened.state.partitions)
        there = {name: of.end for name, of in partitions.items()}
        is_new = pl.col(OFFSET) >= pl.col(PARTITION).replace_strict(there, default=0, return_dtype=pl.Int64)
        frames = [frame.filter(is_new) for frame in frames] + ([self._not_there(opened, late)] if late else [])
        new = pl.concat(frames)
        for name, last in new.group_by(PARTITION).agg(pl.col(OFFSET).max()).rows():
            end = max(there.get(name, 0), last + 1)
            partitions[name] = LoggedPartition(first=0, end=end, applied_us=0)
        erased = self._erased if opened.version is None else opened.state.erased
        state = replace(opened.state, partitions=partitions, erased=erased)
        return new.is_empty() or self._rejected.commit(opened, new, state)

    def _check_erased(self, opened: OpenedLog) -> None:
        """Check that nothing was erased from a log of which the worker does not know.

        Raises:
            OlderWorkerError: something was; events that it took may be of that, and are to be taken again.
        """
        if opened.state.erased > self._erased:
            raise OlderWorkerError("keys were erased")

    def clean_restored(self, source: Source, erased: StreamErasures) -> int:
        """Remove what the log has of erased keys again, as one that was restored from before; return how many rows."""
        return StreamTables(source=source, log=self._log, rejected=self._rejected).clean_restored(erased)

    def _not_there(self, opened: OpenedLog, late: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return the rows of events that were logged before, without those that the same model has put there."""
        rows, key = pl.concat(late), [PARTITION, OFFSET, "model"]
        model = pl.col(REJECTED).str.split(":").list.first().alias("model")
        begin = dict(rows.group_by(PARTITION).agg(pl.col(OFFSET).min()).rows())
        begin = {name: first for name, first in begin.items() if name in opened.state.partitions}
        found = list(self._rejected.read_rows(opened, [PARTITION, OFFSET, REJECTED], begin)) if begin else []
        if not found:
            return rows
        return rows.with_columns(model).join(pl.concat(found).with_columns(model), on=key, how="anti").drop("model")

    def _plan(
        self,
        taken: Mapping[str, TakenEvents],
        opened: OpenedLog,
        register: RegisterState,
        connection: StreamConnection,
    ) -> tuple[LogState, list[TakenRange]]:
        partitions = dict(opened.state.partitions)
        chosen: list[TakenRange] = []
        waits = all(each == register.live(each.view) for each in register.named())  # new lists are made of the log
        for of in register.partitions:
            before = partitions.get(of.name)
            if of.name not in taken or before is None or before.is_retired or of.is_retired:
                continue
            held = connection.register.read_stamps(of.number, before.end, max(of.end, before.end))
            new = taken[of.name].loggable(before.end, held, of.applied, waits=waits)
            chosen += new
            end = new[-1].range.end if new else before.end
            unlogged = (each.stamp for each in held if each.end > end)
            applied_us = max(before.applied_us, min([of.applied, *(stamp - 1 for stamp in unlogged)]))
            predicted = max(before.predicted_end, min(taken[of.name].settled, end))
            partitions[of.name] = LoggedPartition(
                first=before.first, end=end, applied_us=applied_us, predicted=predicted if predicted < end else None
            )
        return replace(opened.state, partitions=partitions, run=register.run), chosen

    def predicted_ends(self) -> Mapping[str, int]:
        """Return the first offset of each partition that is not logged, or that may lack its prediction."""
        return {name: of.predicted_end for name, of in self._log.open().state.partitions.items()}

    def logged_stamps(self, opened: OpenedLog, partition: str, first: int) -> list[StampRange]:
        """Return the stamps that the log has of a partition from an offset on, as ranges without holes.

        Offsets without an event belong to the stamp of the next event, or of the last.
        """
        of = opened.state.partitions.get(partition)
        if of is None or first >= of.end:
            return []
        frames = list(self._log.read_rows(opened, [OFFSET, STAMP], {partition: first}))
        found: list[StampRange] = []
        begin = first
        rows = pl.concat(frames).sort(OFFSET) if frames else self.nothing().select(OFFSET, STAMP)
        runs = rows.group_by(pl.col(STAMP).to_physical().alias("stamp"), maintain_order=True)
        for stamp, last in runs.agg(pl.col(OFFSET).max()).rows():
            found.append(StampRange(first=begin, end=last + 1, stamp=stamp))
            begin = last + 1
        last = found.pop() if found else StampRange(first=first, end=of.end, stamp=of.applied_us)
        return [*found, StampRange(first=last.first, end=of.end, stamp=last.stamp)]

    def last_stamp(self, opened: OpenedLog, partition: str) -> StampRange:
        """Return the last stamp of a partition that has some offsets in the log."""
        of, near = opened.state.partitions[partition], _NEAR
        while True:  # in Redis offsets of a second lie millions apart
            first = max(of.first, of.end - near)
            found = self.logged_stamps(opened, partition, first)
            if len(found) > 1 or first == of.first:
                return found[-1]
            near *= _NEARER

    def last_events(self, opened: OpenedLog, partition: str, bounds: tuple[int, int], most: int) -> pl.DataFrame:
        """Return the last events that the log has of a partition within bounds, by offset, with the source's columns.

        Raises:
            StoreError: it can't be read.
        """
        return last_events(self._log, opened, partition, bounds, most)

    def nothing(self) -> pl.DataFrame:
        """Return no rows of the log."""
        types = {**OWN_COLUMNS, **self._log.columns}
        return pl.DataFrame(schema={name: polars_dtype(dtype) for name, dtype in types.items()})


def _is_lacking(logged: LogState, of: StreamPartition) -> bool:
    """Return whether a log has no entry of a partition, or lacks what the register knows as logged."""
    found = logged.partitions.get(of.name)
    return not of.is_retired and (found is None or (found.end < of.kept and not found.is_retired))


def _is_worth_a_commit(before: LogState, after: LogState, quiet_us: int) -> bool:
    """Return whether a commit without rows says more than that a few seconds went by."""
    if (before.gaps, before.run, before.cut_us) != (after.gaps, after.run, after.cut_us):
        return True
    return any(
        of.end != before.partitions[name].end
        or of.predicted != before.partitions[name].predicted
        or of.applied_us >= before.partitions[name].applied_us + quiet_us
        for name, of in after.partitions.items()
    )


def _kept_gaps(gaps: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return gaps in order, those that touch as one: each worker tells a loss for itself.

    >>> _kept_gaps([(5, 7), (1, 2), (6, 9)])
    ((1, 2), (5, 9))
    """
    found: list[tuple[int, int]] = []
    for after, until in sorted(gaps):
        if found and after <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((after, until))
    return tuple(found[-_MOST_GAPS:])


def _ends(state: LogState) -> Mapping[str, int]:
    return {name: of.end for name, of in state.partitions.items()}
