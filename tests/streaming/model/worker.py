"""A worker: it claims stamps, appends records, says that they are there, and logs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from tests.streaming.model.log import Log, Snapshot
from tests.streaming.model.register import FOREVER, LEAST, Claim, KnownStamps
from tests.streaming.model.rules import Rules
from tests.streaming.model.store import Store
from tests.streaming.model.views import AHEAD, Record

AT_ONCE = 2  # batches of a partition on their way


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a producer sent: of an entity, true at `time`; copies have one `key`."""

    entity: int
    time: float
    key: int


Topic: TypeAlias = list[list[Event]]  # by partition and offset


@dataclass(slots=True, kw_only=True)
class Batch:
    """Offsets that are on their way: `sent` of them are in the lists, `marked` masters know it."""

    first: int
    end: int
    claim: Claim
    sent: int = 0
    marked: int = 0


@dataclass(slots=True, kw_only=True)
class Reading:
    """Where a worker is in a partition, what is on its way, and what it may log."""

    position: int
    batches: list[Batch] = field(default_factory=list)
    taken: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Answers as of between what was left after a loss and the greatest stamp that had been given.

    The log's commit says so: a stamp that was lost may be logged, or be given anew.
    """

    after: float
    until: float


@dataclass(slots=True, kw_only=True)
class World:
    """What workers share."""

    rules: Rules
    random: Random
    store: Store
    log: Log
    topic: Topic
    clock: float = 0.0
    gaps: list[Gap] = field(default_factory=list)

    def retire(self, partitions: Sequence[int]) -> None:
        """Have the register know that the log takes nothing of some partitions any more."""
        log, register = self.log, self.store.register
        until = max(register.asof, register.last, self.clock)
        lost = register.retire({p: (log.ends[p], log.last_stamp(p)) for p in partitions})
        if lost is not None:
            self.gaps.append(Gap(after=lost - LEAST, until=until))

    def store_clock(self) -> float:
        """The clock of the master that has the register."""
        return self.clock - self.store.behind


class Worker:
    """Reads some partitions; one that lost a partition to another may go on as if it had not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.readings: dict[int, Reading] = {}
        self.stamps: dict[int, dict[int, float]] = {}
        self.snapshot: Snapshot | None = None
        self.store = world.store.connect()
        self.epochs = list(self.store.epochs)

    def take(self, p: int) -> None:
        """Begin with a partition, at the lesser of log and register, and of all marks."""
        store, log = self.store, self.world.log
        if log.applied[p] == FOREVER:  # the topic was made again, which the register may not know
            self.world.retire([p])
            self.readings.pop(p, None)
            return
        marks, part = store.marks(p) if store.is_cluster else [], store.register.partitions[p]
        if max([0, *marks]) > part.end and self.world.rules.lost_register_is_void:
            store.register.void()
            marks = []
        lesser = min([log.ends[p], part.done, *marks]) if self.world.rules.start_at_lesser else part.done
        taken = self.readings[p].taken if p in self.readings else {}
        self.readings[p] = Reading(position=lesser, taken=taken)

    def step(self, p: int) -> None:
        """Do the next small thing for a partition."""
        reading, random = self.readings[p], self.world.random
        if (reading.batches or self.store.is_cluster) and not self._connected(0):
            return
        waiting = reading.position < len(self.world.topic[p])
        if reading.batches and (len(reading.batches) == AT_ONCE or not waiting or random.random() < 0.7):
            if not self._advance(p, reading, random.choice(reading.batches)):
                self.take(p)
        elif waiting:
            self._claim(p, reading)
        if p in self.readings and random.random() < 0.2:
            self._beat(p, self.readings[p])

    def _beat(self, p: int, reading: Reading) -> None:
        register, at_end = self.store.register, reading.position == len(self.world.topic[p])
        if not register.heartbeat(p, reading.position, self.world.store_clock(), at_end=at_end):
            self.take(p)

    def _claim(self, p: int, reading: Reading) -> None:
        world = self.world
        first = reading.position
        end = min(len(world.topic[p]), first + world.random.randrange(1, 6))
        own = self.stamps.setdefault(p, {})
        known = KnownStamps(logged=world.log.stamps[p], own=own)
        claim = self.store.register.claim(p, range(first, end), world.store_clock(), known)
        if claim is None:
            self.take(p)
            return
        own |= claim.stamps
        reading.batches.append(Batch(first=first, end=end, claim=claim))
        reading.position = end

    def _advance(self, p: int, reading: Reading, batch: Batch) -> bool:
        """Do the next small thing for a batch; return whether the worker can go on."""
        if batch.sent < batch.end - batch.first:
            return self._send(p, batch)
        is_first = batch is reading.batches[0]
        if self.store.is_cluster and batch.marked < len(self.epochs):
            if not self._connected(batch.marked):
                return True  # all began anew
            if self.store.mark(batch.marked, p, batch.claim, range(batch.first, batch.end)):
                batch.marked += 1
                return True
            return not is_first
        if not self.store.register.finish(p, batch.first, batch.end, batch.claim.generations):
            return not is_first
        reading.taken |= batch.claim.stamps
        reading.batches.remove(batch)
        return True

    def _send(self, p: int, batch: Batch) -> bool:
        offset = batch.first + batch.sent
        event = self.world.topic[p][offset]
        if not self._connected(event.entity % len(self.epochs)):
            return True
        batch.sent += 1
        stamp = batch.claim.stamps.get(offset)
        if stamp is not None and event.time <= stamp + AHEAD:
            record = Record(stamp=stamp, partition=p, offset=offset, time=event.time, key=event.key)
            self.store.append(batch.claim.generations, record, event.entity)
        return True

    def _connected(self, m: int) -> bool:
        """Return whether a connection is the one of before; if not, all partitions begin anew."""
        epoch = self.store.epochs[m]
        if self.epochs[m] == epoch:
            return True
        self.epochs[m] = epoch
        if not self.world.rules.reconnection_restarts:
            return True
        for p in list(self.readings):
            self.take(p)
        return False

    def log_step(self) -> None:
        """Open the log, or commit on what was opened."""
        log = self.world.log
        if self.snapshot is None:
            self.snapshot = log.open(self.world.store.register)
            return
        known = len(self.snapshot.ends)
        log.commit(self.snapshot, {p: reading.taken for p, reading in self.readings.items() if p < known})
        self.snapshot = None
        self.store.forget(log.ends)
        for p, reading in self.readings.items():
            reading.taken = {offset: stamp for offset, stamp in reading.taken.items() if offset >= log.ends[p]}
