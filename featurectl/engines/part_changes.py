"""What became of rows that were read of a part: they are there, were cut off at its beginning, or changed or went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from featurectl.engines.spans import NOTHING_READ, PartRows, SpanRows, Spans, as_instant

_NONE = SpanRows()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSpans:
    """Rows of before beside those that are there now, by one of their clocks, in spans of the same width.

    `cut` is the span in which the part begins now, where it begins later than before: what is gone up to there was cut
    off. `lacked` are those of the rows now that the table lacks; of spans that do not differ they don't matter.
    """

    before: Spans
    now: Spans
    lacked: Spans
    cut: int | None

    @property
    def differing(self) -> list[int]:
        """The spans of which the rows are not those of before."""
        every = self.before.rows.keys() | self.now.rows.keys()
        return sorted(i for i in every if not _same(self.before.rows.get(i, _NONE), self.now.rows.get(i, _NONE)))

    @property
    def is_cut_between_spans(self) -> bool:
        """True where all that differs is that whole spans before the first one now are gone: nothing came late."""
        return self.cut is not None and all(i < self.cut and i not in self.now.rows for i in self.differing)

    @property
    def lost(self) -> Mapping[int, int]:
        """The spans that lack rows of before which were not left out, and how many; 0 where one stands for another."""
        found = {i: self._lost(i) for i in self.differing}
        return {i: count for i, count in found.items() if count is not None}

    @property
    def unexplained(self) -> list[int]:
        """The spans that lack rows of before though they lie behind where the part begins now."""
        return [i for i in self.lost if self.cut is None or i > self.cut]

    @property
    def came(self) -> int:
        """How many rows came late at least: a row that the table lacks may stand for one that is gone."""
        lost = self.lost
        return sum(
            max(0, self.lacked.rows.get(i, _NONE).count - self.before.rows.get(i, _NONE).late - lost.get(i, 0))
            for i in self.differing
        )

    @property
    def left_out(self) -> Mapping[int, int]:
        """How many rows of each span the table lacks, those of before included."""
        late = {i: rows.late for i, rows in self.before.rows.items()}
        return late | {i: self.lacked.rows.get(i, _NONE).count for i in self.differing}

    def repeated(self, since: int | None) -> int:
        """Return how many rows there are at least of spans from an instant on that the table has already."""
        inside = [i for i in self.differing if since is None or i > self.now.index(since)]
        return sum(max(0, self._kept(i) - self._expected(i)) for i in inside)

    def _expected(self, index: int) -> int:
        before = self.before.rows.get(index, _NONE)
        return before.count - before.late

    def _kept(self, index: int) -> int:
        return self.now.rows.get(index, _NONE).count - self.lacked.rows.get(index, _NONE).count

    def _lost(self, index: int) -> int | None:
        missing = self._expected(index) - self._kept(index)
        if missing:
            return missing if missing > 0 else None
        before, now = self.before.rows.get(index, _NONE), self.now.rows.get(index, _NONE)
        lacked = self.lacked.rows.get(index, _NONE).total
        if before.late or before.total is None or now.total is None or lacked is None:
            return None
        return 0 if (now.total - lacked - before.total) % 2**64 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRows:
    """Rows of a part before and now, by either clock."""

    events: ComparedSpans
    known: ComparedSpans

    @property
    def are_cut_between_spans(self) -> bool:
        """True where it is plain that rows were cut off at the beginning, and that is all."""
        return self.events.is_cut_between_spans or self.known.is_cut_between_spans

    @property
    def came(self) -> int:
        """How many rows came late, as far as the spans tell them from those that stand for others."""
        return max(self.events.came, self.known.came)

    def first_lost(self) -> datetime | None:
        """Return the first instant at which a row that is gone may have been known; None where there is none."""
        spans = sorted(self.known.lost)
        return self.known.before.ends(spans[0])[0] if spans else None

    def changed(self, first_event: int | None) -> tuple[datetime, datetime] | None:
        """Return between which event times rows are changed or gone; None where there are none.

        Rows that were all known before those that there are now were cut off, whenever they happened.
        """
        spans = self.events.unexplained
        if not spans or (self.known.cut is not None and not self.known.unexplained):
            return None
        first, last = self.events.now.ends(spans[0])[0], self.events.now.ends(spans[-1])[1]
        return max(first, as_instant(first_event)) if first_event is not None else first, last


def compare_rows(
    before: PartRows, now: PartRows, whole: PartRows, lacked: PartRows | None = NOTHING_READ
) -> ComparedRows:
    """Return rows of a part as they were read beside those of them that are there now.

    `whole`: all rows of the part, those that are new included. `lacked`: the rows of `now` that the table lacks, None
    where nobody can tell: as many as there are more than before.
    """
    return ComparedRows(
        events=_compare(before.events, now.events, whole.events, None if lacked is None else lacked.events),
        known=_compare(before.known, now.known, whole.known, None if lacked is None else lacked.known),
    )


def _compare(before: Spans, now: Spans, whole: Spans, lacked: Spans | None) -> ComparedSpans:
    level = max(spans.level for spans in (before, now, lacked or now))
    before, now = before.at_level(level), now.at_level(level)
    moved = before.first is not None and whole.first is not None and whole.first > before.first
    lacked = _more(before, now) if lacked is None else lacked.at_level(level)
    cut = now.index(whole.first) if moved and whole.first is not None else None
    return ComparedSpans(before=before, now=now, lacked=lacked, cut=cut)


def _more(before: Spans, now: Spans) -> Spans:
    """Return as many rows of each span as there are more than before."""
    more = {i: rows.count - before.rows.get(i, _NONE).count for i, rows in now.rows.items()}
    return Spans(level=now.level, rows={i: SpanRows(count, None) for i, count in more.items() if count > 0})


def _same(before: SpanRows, now: SpanRows) -> bool:
    unknown = before.total is None or now.total is None
    return before.count == now.count and (unknown or before.total == now.total)
