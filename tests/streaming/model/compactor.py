"""Compaction of a list, which may stop for a while between reading and writing, and the sweep of quiet lists."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.streaming.model.rules import Rules
from tests.streaming.model.store import Element, Store, parse
from tests.streaming.model.views import Head, Record, View, fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What a compactor read: the register first, the marks, then the list."""

    view: View
    entity: int
    generation: int
    applied: tuple[float, ...]
    done: tuple[int, ...]
    marks: tuple[int, ...] | None
    elements: tuple[Element, ...]
    epochs: tuple[int, ...]

    @classmethod
    def read(cls, store: Store, view: View, entity: int) -> Compaction:
        """Read what is needed to compact a list."""
        register = store.register
        partitions, generation = register.partitions, register.live
        if register.generations and not store.rules.unseeded_waits:
            generation = register.generations[-1]
        return cls(
            view=view,
            entity=entity,
            generation=generation,
            applied=tuple(part.applied for part in partitions),
            done=tuple(part.done for part in partitions),
            marks=store.marks_of(entity, generation),
            elements=store.lists(view, generation, entity),
            epochs=tuple(store.epochs),
        )

    def write(self, store: Store, clock: float) -> bool:
        """Replace what was read, if it is unchanged; return whether it was."""
        rules = store.rules
        if not self.elements or not self._is_connected(store):
            return False  # what was read before a loss is not written after it
        if rules.compaction_reads_marks and any(
            mark < done for mark, done in zip(self.marks or (), self.done, strict=False)
        ):
            return False  # the master lost what its head would promise
        key = self.generation, self.view, self.entity
        return store.replace(key, self.elements, self._folded(rules), clock)

    def _is_connected(self, store: Store) -> bool:
        m = self.entity % len(self.epochs)
        return self.epochs[0] == store.epochs[0] and self.epochs[m] == store.epochs[m]

    def _folded(self, rules: Rules) -> tuple[Head, list[Record]]:
        head, raw = parse(self.elements, rules, self.marks)
        taken: list[Record] = []
        left = [row for row in self.elements if isinstance(row, Record) and self._may_count(head, row)]
        frontier = [head.folded(p) for p in range(len(self.applied))]
        for record in raw.values():
            if record.partition < len(frontier) and self._is_applied(record, rules):
                taken.append(record)
                frontier[record.partition] = max(frontier[record.partition], record.offset)
        places = {record.place for record in taken}
        left = [row for row in left if row.place not in places]
        asof = max(min(self.applied), head.asof)
        folded = fold(self.view, head, taken, asof, rules)
        return replace(folded, frontier=tuple(frontier)), left

    def _may_count(self, head: Head, row: Record) -> bool:
        return row.offset > head.folded(row.partition)

    def _is_applied(self, record: Record, rules: Rules) -> bool:
        return record.stamp <= self.applied[record.partition] or not rules.columns_wait
