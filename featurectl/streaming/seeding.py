"""A new generation of a view's lists is made from the log, beside the one that is read; workers never wait for it.

From the moment when a generation is named workers write it, too. What came before, up to the cut of each partition, is
in the log soon after; then each entity gets a head of it, and readers are switched to the new generation.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeVar

from featurectl.offline.event_log import EventLog, OpenedLog
from featurectl.online.stream_state.base import Generation, ListSeed, NewGeneration, RegisterState
from featurectl.online.stream_state.compaction import fold
from featurectl.online.stream_state.head import Head, no_head, pack_head
from featurectl.online.stream_state.layout import layout_document, layout_of
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.online.stream_state.record import EventRecord
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.seed_events import SeededView, SeedEvents
from featurectl.streaming.view_records import StampedEvent, ViewRecords

SeedingState = Literal["waits", "done", "given up"]
T = TypeVar("T")
_LOOK_AFTER: Final = 256  # items
_SEEDS_AT_ONCE: Final = 1_000
FOLDED_AT_ONCE: Final = 500_000  # events of one entity


def can_seed(state: RegisterState, opened: OpenedLog, names: Iterable[str]) -> bool:
    """Return whether a generation can be added: the register knows all partitions of the topic that the log has.

    What the log has of one that is met later would be in no head and be no record. And all are being worked on: heads
    as of no instant would keep all that ever was.
    """
    known = {of.name for of in state.partitions}
    return state.asof > 0 and all(name in known for name in names if name in opened.state.partitions)


class _EndedError(Exception):
    """Whoever seeds is to end."""


def new_generation(view: str) -> Generation:
    """Return a generation of a view version, `view@1`, that nobody has named yet."""
    return Generation(view=view, id=secrets.token_hex(6))


class Seeding:
    """One new generation of a view version; `step` until it is done or given up, as it is soon after `is_ending`.

    It is named here; `generation`: this one.
    """

    def __init__(
        self,
        seeded: SeededView,
        connection: StreamConnection,
        log: EventLog,
        is_ending: Callable[[], bool] = lambda: False,
        generation: Generation | None = None,
    ) -> None:
        self._seeded, self._log, self._is_ending = seeded, log, is_ending
        self.generation = generation or new_generation(seeded.name)
        before = log.open()
        self._layout = layout_of(seeded.view, seeded.max_age_us)
        self._new: NewGeneration = connection.generations.add(self.generation, layout_document(self._layout))
        self._lacks_partition = self._has_more(before, connection.register.read_state())
        self._records = ViewRecords(seeded.view, EventDecoder(seeded.source), self._layout)
        self._counts: Mapping[str, int] | None = None

    def step(self, connection: StreamConnection) -> SeedingState:
        """Do what can be done now.

        Raises:
            StoreError: the store or the log can't be used; a later step goes on.
        """
        if self._lacks_partition:
            connection.generations.drop(self.generation)
            return "given up"
        opened = self._log.open()  # before the register: what the log has of a partition that it knows is a record
        state = connection.register.read_state()
        if self.generation not in state.named():
            return "given up"
        if not self._is_logged(state, opened):
            return "waits"
        try:
            if self._counts is None:
                self._counts = self._seed(connection, state, opened)
        except _EndedError:
            connection.generations.drop(self.generation)
            return "given up"
        if not connection.lists.make_ready(self.generation, self._counts, self._new.cuts):
            connection.generations.drop(self.generation)
            return "given up"
        return "done" if connection.generations.switch(self.generation) else "waits"

    def _has_more(self, before: OpenedLog, state: RegisterState) -> bool:
        """Return whether the log has a partition that the register did not know when the generation was added.

        What is logged of it would be in no head, and be no record. It is met after a register was emptied.
        """
        cut = {of.name for of in state.partitions if of.number in self._new.cuts}
        return any(name not in cut for name, of in before.state.partitions.items() if not of.is_retired)

    def _is_logged(self, state: RegisterState, opened: OpenedLog) -> bool:
        """Return whether the log has all offsets before the cuts."""
        logged = {name: of.end for name, of in opened.state.partitions.items()}
        return all(logged.get(of.name, of.first) >= self._new.cuts.get(of.number, of.first) for of in state.partitions)

    def _seed(self, connection: StreamConnection, state: RegisterState, opened: OpenedLog) -> Mapping[str, int]:
        """Put a head before the list of each entity, and return how many each master got."""
        numbers = {of.name: of.number for of in state.partitions}
        events = SeedEvents(self._seeded, self._log, opened, numbers, self._new.cuts)
        total: dict[str, int] = dict(connection.lists.seed(self.generation, []))
        with events.laid_apart(self._records.entity, self._check) as laid:
            for part in laid.parts():
                seeds = [*self._seeds(part)]
                for start in range(0, len(seeds), _SEEDS_AT_ONCE):
                    counted = connection.lists.seed(self.generation, seeds[start : start + _SEEDS_AT_ONCE])
                    total = {master: total.get(master, 0) + count for master, count in counted.items()}
        return total

    def _seeds(self, part: Iterable[StampedEvent]) -> Iterator[ListSeed]:
        """Give the heads of the lists of the entities that some events are of.

        Events of one that has very many become its head some at a time, as a compactor folds them.
        """
        by_entity: dict[bytes, list[EventRecord]] = {}
        heads: dict[bytes, Head] = {}
        for event in self._while_not_ending(part):
            entity = self._records.entity(event.row)
            if entity is None:
                continue
            records = by_entity.setdefault(entity, [])
            records.append(self._records.record(event))
            if len(records) >= FOLDED_AT_ONCE:
                heads[entity] = self._folded(heads.get(entity), records)
                records.clear()
        for entity, records in self._while_not_ending(by_entity.items()):
            head = self._folded(heads.pop(entity, None), records)
            if not head.is_empty:  # else no answer needs what there is
                frontier = {p: self._new.cuts[p] for p in head.frontier if p in self._new.cuts}
                packed = pack_head(head._replace(frontier=frontier), self._records.layout)
                yield ListSeed(entity=entity, head=packed)

    def _folded(self, head: Head | None, records: Sequence[EventRecord]) -> Head:
        layout = self._records.layout
        return fold(no_head(layout) if head is None else head, records, self._new.asof, layout)

    def _while_not_ending(self, items: Iterable[T]) -> Iterator[T]:
        for number, item in enumerate(items):
            if number % _LOOK_AFTER == 0:
                self._check()
            yield item

    def _check(self) -> None:
        if self._is_ending():
            raise _EndedError
