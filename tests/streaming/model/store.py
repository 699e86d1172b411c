"""An online store: one server that may come back from an older snapshot, or masters that lose their last writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tests.streaming.model.register import Claim, Register
from tests.streaming.model.rules import Rules
from tests.streaming.model.views import VIEWS, Head, Record, View

PATIENCE = 4.5  # seconds after which a reader gives up

Element: TypeAlias = Head | Record
ListKey: TypeAlias = tuple[int, View, int]  # generation, view, entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What a reader knows of the register."""

    asof: float
    live: int
    done: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What one trip to a master brought: a list of a generation, and what says whether it is whole."""

    elements: tuple[Element, ...]
    marks: tuple[int, ...]
    is_ready: bool


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

    # Whether heads are counted anew before each switch, as a worker does: of a snapshot that came back since then no
    # master says that heads are lacking.
    forgets_who_is_ready = False

    def __init__(self, nodes: int, rules: Rules) -> None:
        self.rules = rules
        self.register = Register(rules=rules)
        self.nodes = [Node() for _ in range(nodes)]
        self.epochs = [0] * nodes  # a new one ends all connections
        self.behind = 0.0  # seconds that the clock of the register's host is behind
        self.clock: Callable[[], float] = lambda: 0.0  # of that host
        self._replicas = [(node.copy(), self.register.copy()) for node in self.nodes]

    @property
    def is_cluster(self) -> bool:
        """Whether masters fail one by one."""
        return len(self.epochs) > 1

    def node_of(self, entity: int) -> Node:
        """The master of an entity, whatever the view and the generation."""
        return self.nodes[entity % len(self.nodes)]

    def add_partition(self) -> None:
        """Begin with a partition, on the register and on all masters."""
        self.register.add_partition()
        self._replicas = [(node.copy(), self.register.copy()) for node in self.nodes]

    def connect(self) -> Store:
        """Return what a worker, a compactor or a rebuild uses: here it sees by `epochs` what a connection would say."""
        return self

    @property
    def is_unreadable(self) -> bool:
        """Whether some lists can't be read before a rebuild."""
        return any(self.register.live not in node.ready for node in self.nodes)

    def marks(self, p: int) -> list[int]:
        """Return the marks of a partition on all masters, for all generations; the cut where there is none."""
        return [
            node.marks.get((generation, p), self.register.cut(generation, p))
            for node in self.nodes
            for generation in self.register.generations
        ]

    def append(self, generations: Sequence[int], record: Record, entity: int) -> None:
        """Put a record into the lists of an entity."""
        for generation in generations:
            for view in VIEWS:
                self.node_of(entity).append((generation, view, entity), record)

    def mark(self, m: int, p: int, claim: Claim, batch: range) -> bool:
        """Say that a master has a batch; False where there is a gap."""
        each = zip(claim.generations, claim.cuts, strict=True)
        return all(self.nodes[m].mark(generation, p, cut, batch) for generation, cut in each)

    def seed(self, key: ListKey, head: Head) -> None:
        """Put a head before the records of a list that has none, and count it."""
        self.node_of(key[2]).seed(key, head)

    def replace(self, key: ListKey, read: tuple[Element, ...], folded: tuple[Head, list[Record]], clock: float) -> bool:
        """Put a head, and what it left, in the place of the elements that were read; return whether they were there."""
        return self.node_of(key[2]).replace(key, read, folded, clock, self.rules)

    def drop(self, generation: int) -> None:
        """Remove a generation from all masters."""
        for node in self.nodes:
            node.drop(generation)

    def marks_of(self, entity: int, generation: int) -> tuple[int, ...] | None:
        """Return the marks that a compactor reads before a list; None: there are none."""
        partitions = len(self.register.partitions)
        return self.node_of(entity).marks_of(generation, partitions) if self.is_cluster else None

    def make_ready(self, m: int, generation: int, cuts: list[int], heads: int) -> bool:
        """Say that a master has all heads of a generation; False where it lost some."""
        node = self.nodes[m]
        if node.seeded[generation] != heads and self.rules.seeds_are_counted:
            return False
        for p, cut in enumerate(cuts):
            node.marks[generation, p] = max(cut, node.marks.get((generation, p), 0))
        node.ready.add(generation)
        return True

    def forget(self, ends: Sequence[int]) -> None:
        """Let go the stamps of what is logged: not here, where nothing grows too large."""

    def poll(self) -> Poll:
        """Return what a reader asks the register."""
        done = tuple(part.done for part in self.register.partitions)
        return Poll(asof=self.register.asof, live=self.register.live, done=done)

    def fetch(self, view: View, entity: int, poll: Poll) -> Rows:
        """Return what a reader that asked the register asks a master then."""
        node, live = self.node_of(entity), poll.live
        return Rows(
            elements=self.lists(view, live, entity),
            marks=node.marks_of(live, len(self.register.partitions)),
            is_ready=live in node.ready and (self.is_cluster or live == self.register.live),
        )

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
        return len(VIEWS) * sum(1 for entity in range(entities) if entity % len(self.epochs) == m)


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
