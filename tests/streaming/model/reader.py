"""A reader: it asks the register, then (perhaps much later) the list, and answers as of an instant or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from tests.streaming.model.store import Element, Store, parse
from tests.streaming.model.views import MARGIN, Answer, View, answer


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was answered of an entity in a view, as of an instant."""

    view: View
    entity: int
    at: float
    counted: Answer
    step: int


class Reader:
    """Reads a view of an entity at the instant there is, or `ago` seconds before."""

    def __init__(self, store: Store, view: View, entity: int, ago: float) -> None:
        self.view, self.entity, self.ago = view, entity, ago
        self._poll = self._ask(store)
        self._rows = None if store.rules.asof_before_rows else self._fetch(store)

    def finish(self, store: Store, step: int) -> Answered | None:
        """Read what is left to read, and answer; None: 503."""
        rules = store.rules
        rows, poll = self._rows or self._fetch(store), self._poll if self._rows is None else self._ask(store)
        if not rows.is_ready and rules.generation_is_checked:
            return None
        behind = any(mark < done for mark, done in zip(rows.marks, poll.done, strict=False))
        if store.is_cluster and rules.marks_are_read and behind:
            return None
        head, raw = parse(rows.elements, rules, rows.marks if store.is_cluster else None)
        at = (max(poll.asof, head.asof) if rules.newest_asof else poll.asof) - self.ago
        if at < head.asof - MARGIN and rules.newest_asof:
            return None  # an instant that the head has forgotten
        counted = answer(self.view, head, raw.values(), at)
        return Answered(view=self.view, entity=self.entity, at=at, counted=counted, step=step)

    def _ask(self, store: Store) -> Poll:
        register = store.register
        done = tuple(part.done for part in register.partitions)
        return Poll(asof=register.asof, live=register.live, done=done)

    def _fetch(self, store: Store) -> Rows:
        node, live = store.node_of(self.entity), self._poll.live
        return Rows(
            elements=store.lists(self.view, live, self.entity),
            marks=node.marks_of(live, len(store.register.partitions)),
            is_ready=live in node.ready and (store.is_cluster or live == store.register.live),
        )
