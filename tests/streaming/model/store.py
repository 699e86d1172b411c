"""An online store: one server that may come back from an older snapshot, or masters that lose their last writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tests.streaming.model.register import Register
from tests.streaming.model.rules import Rules
from tests.streaming.model.views import VIEWS, Head, Record, View

PATIENCE = 4.5  # seconds after which a reader gives up

Element: TypeAlias = Head | Record
ListKey: TypeAlias = tuple[int, View, int]  # generation, view, entity


@dataclass(slots=True, kw_only=True)
class Node:
    """A master: lists, and what says that they are whole.

    `marks` have, by generation and partition, the end of what this master has replied to; `seeded` how many heads of a
    generation it took, `ready` the generations of which that was all.
    """

    lists: dict[ListKey, tuple[Element, ...]] = field(default_factory=dict)
    marks: dict[tuple[int, int], int] = field(default_factory=dict)
    seeded: Counter[int] = field(default_factory=Counter)
    ready: set[int] = field(default_factory=lambda: {0})

    def copy(self) -> Node:
        """Return a copy that goes its own way."""
        return Node(lists=dict(self.lists), marks=dict(self.marks), seeded=self.seeded.copy(), ready=set(self.ready))

    def append(self, key: ListKey, record: Record) -> None:
        """RPUSH."""
        self.lists[key] = (*self.lists.get(key, ()), record)

    def mark(self, generation: int, p: int, cut: int, batch: range) -> bool:
        """Say that all records up to an offset are here, those before `cut` in heads; False where there is a gap."""
        there = self.marks.get((generation, p), cut)
        if batch.start > there:
            return False
        self.marks[generation, p] = max(there, batch.stop)
        return True

    def marks_of(self, generation: int, partitions: int) -> tuple[int, ...]:
        """Return the marks of a generation; 0 where there is none."""
        return tuple(self.marks.get((generation, p), 0) for p in range(partitions))

    def seed(self, key: ListKey, head: Head) -> None:
        """Put a head before the records of a list that has none, and count it."""
        there = self.lists.get(key, ())
        if not (there and isinstance(there[0], Head)):
            self.lists[key] = (head, *there)
        self.seeded[key[0]] += 1

    def replace(
        self, key: ListKey, read: tuple[Element, ...], folded: tuple[Head, list[Record]], clock: float, rules: Rules
    ) -> bool:
        """Put a head, and what it left, in the place of the elements that were read; return whether they were there.

        A head without anything stays until nobody can still read as of an instant before it.
        """
        there = self.lists.get(key, ())
        if rules.content_is_compared:
            same = there[: len(read)] == read
        else:
            same = len(there) >= len(read) and there[0] == read[0]
        head, left = folded
        if same:
            behind = (*left, *there[len(read) :])
            if behind or not head.is_empty:
                self.lists[key] = (replace(head, empty_since=0.0), *behind)
            elif not rules.empty_heads_stay or 0.0 < head.empty_since < clock - PATIENCE:
                del self.lists[key]
            else:
                self.lists[key] = (replace(head, empty_since=head.empty_since or clock),)
        return same

    def drop(self, generation: int) -> None:
        """Remove a generation: first what says that it is ready."""
        self.ready.discard(generation)
        self.lists = {key: value for key, value in self.lists.items() if key[0] != generation}


class Store:
    """Masters, of which the first has the register, and what their replicas (or the last snapshot) have."""

    def __init__(self, nodes: int, rules: Rules) -> None:
        self.rules = rules
        self.register = Register(rules=rules)
        self.nodes = [Node() for _ in range(nodes)]
        self.epochs = [0] * nodes  # a new one ends all connections
        self.behind = 0.0  # seconds that the clock of the register's host is behind
        self._replicas = [(node.copy(), self.register.copy()) for node in self.nodes]

    @property
    def is_cluster(self) -> bool:
        """Whether masters fail one by one."""
        return len(self.nodes) > 1

    def node_of(self, entity: int) -> Node:
        """The master of an entity, whatever the view and the generation."""
        return self.nodes[entity % len(self.nodes)]

    def add_partition(self) -> None:
        """Begin with a partition, on the register and on all masters."""
        self.register.add_partition()
        self._replicas = [(node.copy(), self.register.copy()) for node in self.nodes]

    def replicate(self, m: int) -> None:
        """Let a master's replica (or the snapshot) have all that the master has."""
        self._replicas[m] = self.nodes[m].copy(), self.register.copy()

    def fail_over(self, m: int) -> None:
        """Lose what the replica did not have."""
        node, register = self._replicas[m]
        self.nodes[m] = node.copy()
        if m == 0:
            self.register = register.copy()
        self.epochs[m] += 1

    def lists(self, view: View, generation: int, entity: int) -> tuple[Element, ...]:
        """LRANGE."""
        return self.node_of(entity).lists.get((generation, view, entity), ())

    def expected_heads(self, m: int, entities: int) -> int:
        """How many heads a master gets of a generation."""
        return len(VIEWS) * sum(1 for entity in range(entities) if entity % len(self.nodes) == m)


def parse(
    elements: tuple[Element, ...], rules: Rules, marks: tuple[int, ...] | None = None
) -> tuple[Head, dict[tuple[int, int], Record]]:
    """Return the head of a list, and the records behind it that count, by place.

    What stands at or behind a mark may be of a batch that was lost; it will be sent anew.
    """
    head = elements[0] if elements and isinstance(elements[0], Head) else Head()
    raw: dict[tuple[int, int], Record] = {}
    for record in elements:
        if isinstance(record, Head):
            continue
        if record.offset <= head.folded(record.partition) and rules.frontier_is_kept:
            continue
        if marks is not None and record.offset >= marks[record.partition]:
            continue
        other = raw.get(record.place)
        if other is None or (record.stamp > other.stamp) == rules.newest_stamp_counts:
            raw[record.place] = record
    return head, raw
