"""A reader: it asks the register, then (perhaps much later) the list, and answers as of an instant or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from tests.streaming.model.store import Store, parse
from tests.streaming.model.views import MARGIN, Answer, View, answer


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
        self._poll = store.poll()
        self._rows = None if store.rules.asof_before_rows else store.fetch(view, entity, self._poll)

    def finish(self, store: Store, step: int) -> Answered | None:
        """Read what is left to read, and answer; None: 503."""
        rules = store.rules
        rows = self._rows or store.fetch(self.view, self.entity, self._poll)
        poll = self._poll if self._rows is None else store.poll()
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
