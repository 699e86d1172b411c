"""The log of a source, a Delta table that workers append to, and the offline table that is fed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.streaming.model.register import FOREVER, Register
from tests.streaming.model.rules import Rules

Row: TypeAlias = tuple[int, int, float]  # partition, offset, stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a worker saw when it opened the log: its version, the end of each partition, and the register."""

    version: int
    ends: tuple[int, ...]
    register: Register


@dataclass(slots=True, kw_only=True)
class Log:
    """Rows in the order of commits; `ends` are the application transactions, `applied` the commits' metadata."""

    rules: Rules
    rows: list[Row] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    applied: list[float] = field(default_factory=list)
    touched: list[frozenset[int]] = field(default_factory=list)  # by each commit
    stamps: list[dict[int, float]] = field(default_factory=list)  # what has been logged, by partition

    def add_partition(self, asof: float) -> None:
        """Begin with a partition."""
        self.ends.append(0)
        self.applied.append(asof)
        self.stamps.append({})

    def open(self, register: Register) -> Snapshot:
        """Return what a commit is made on."""
        return Snapshot(version=len(self.touched), ends=tuple(self.ends), register=register.copy())

    def commit(self, snapshot: Snapshot, taken: Mapping[int, Mapping[int, float]]) -> bool:
        """Append what was applied and stamped so; False where another commit came between.

        Args:
            snapshot: As of which the worker looked.
            taken: Stamps of the offsets that the worker took, by partition.
        """
        register, version = snapshot.register, snapshot.version
        if not self.rules.log_reads_transaction:
            version = len(self.touched)  # the table opened again
        rows: list[Row] = []
        ends: dict[int, int] = {}
        for p, stamps in taken.items():
            if self.applied[p] == FOREVER and self.rules.retired_are_not_logged:
                continue
            part, offset = register.partitions[p], snapshot.ends[p]
            held = part.known(offset, part.end)
            while offset in stamps and stamps[offset] == held.get(offset) and stamps[offset] <= part.applied:
                rows.append((p, offset, stamps[offset]))
                offset += 1
            ends[p] = offset
        if any({*ends} & later for later in self.touched[version:]):
            return False  # Delta: a concurrent transaction
        for p, end in ends.items():
            self.ends[p] = max(self.ends[p], end)
            self._promise(p, register)
        self.rows += rows
        for p, offset, stamp in rows:
            self.stamps[p].setdefault(offset, stamp)
        self.touched.append(frozenset(p for p in ends))
        return True

    def retire(self, partitions: Sequence[int]) -> None:
        """Say that nothing comes of some partitions any more."""
        for p in partitions:
            self.applied[p] = FOREVER
        self.touched.append(frozenset(partitions))

    def last_stamp(self, p: int) -> float:
        """The last stamp of a partition that was logged."""
        return max(self.stamps[p].values(), default=0.0)

    def _promise(self, p: int, register: Register) -> None:
        part = register.partitions[p]
        if self.applied[p] == FOREVER or part.applied == FOREVER:
            return
        if all(r.end <= self.ends[p] for r in part.ranges if r.stamp <= part.applied):
            self.applied[p] = max(self.applied[p], part.applied)


@dataclass(slots=True, kw_only=True)
class OfflineTable:
    """Rows of a feature view, with what of the log has been taken."""

    rules: Rules
    rows: list[Row] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    newest: float = -1.0

    def materialize(self, log: Log) -> None:
        """Take what is new."""
        if self.rules.increments_by_offset:
            new = [row for row in log.rows if row[1] >= self.ends.get(row[0], 0)]
        else:
            new = [row for row in log.rows if row[2] > self.newest]
        self.rows += new
        self.newest = max([self.newest, *(stamp for _, _, stamp in new)])
        self.ends = dict(enumerate(log.ends))
