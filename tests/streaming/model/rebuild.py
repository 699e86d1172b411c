"""A rebuild: a new generation beside the live one, seeded from the log, then switched to."""

from __future__ import annotations

from tests.streaming.model.log import Log
from tests.streaming.model.store import Store
from tests.streaming.model.views import AHEAD, VIEWS, Head, Record, fold
from tests.streaming.model.worker import Topic


class Rebuild:
    """One `stream rebuild`; `step` until it says that it is over."""

    def __init__(self, store: Store, generation: int, entities: int) -> None:
        self.generation, self.entities = generation, entities
        self._cut, self._asof = store.register.add_generation(generation)
        self._next, self._ready = 0, 0

    def step(self, store: Store, log: Log, topic: Topic) -> bool:
        """Do the next small thing; return whether it is over, done or given up."""
        register = store.register
        if self.generation not in register.generations:
            return True
        if any(end < cut for end, cut in zip(log.ends, self._cut, strict=False)):
            return False
        if self._next < self.entities:
            self._seed(store, log, topic)
            return False
        if self._ready < len(store.epochs):
            return not self._make_ready(store, self._ready)
        if store.forgets_who_is_ready and not all(self._make_ready(store, m) for m in range(len(store.epochs))):
            return True
        old = register.switch_generation(self.generation)
        if old is None:
            return False
        store.drop(old)
        return True

    def _seed(self, store: Store, log: Log, topic: Topic) -> None:
        entity = self._next
        rows = records(log, topic, entity, self._cut)
        for view in VIEWS:
            head = fold(view, Head(frontier=tuple(cut - 1 for cut in self._cut)), rows, self._asof, store.rules)
            store.seed((self.generation, view, entity), head)
        self._next += 1

    def _make_ready(self, store: Store, m: int) -> bool:
        """Say that a master has all heads; False where it lost some."""
        self._ready += 1
        if not store.make_ready(m, self.generation, self._cut, store.expected_heads(m, self.entities)):
            store.register.give_up_generation()
            return False
        return True


def records(log: Log, topic: Topic, entity: int, ends: list[int] | None = None) -> list[Record]:
    """Return the events of an entity that the log has, before some offsets."""
    return [
        Record(stamp=stamp, partition=p, offset=offset, time=event.time, key=event.key)
        for p, stamps in enumerate(log.stamps)
        for offset, stamp in stamps.items()
        if (event := topic[p][offset]).entity == entity
        and event.time <= stamp + AHEAD
        and (ends is None or (p < len(ends) and offset < ends[p]))
    ]
