"""Which rows of a stream's log, and of its table of rejected events, are of erased keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.engines.clocks import select_columns
from featurectl.language.definitions.source import Source
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, STAMP
from featurectl.pit.erased_rows import ErasedRows
from featurectl.streaming.erased_events import ErasedEvents, ErasedTexts, StreamErasures
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.event_rows import event_instant

_EVENT: Final = "\x00event"
_GONE: Final = "\x00gone"
REJECTED_NEEDS: Final = (PARTITION, OFFSET, STAMP, "value")  # of the table of rejected events


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedLogSearch:
    """Finds rows of erased keys: `find` in the log, `find_rejected` in the table of what was rejected.

    `known` are erased keys whose values are known: by these is found what was rejected and has no key that can be read.
    `rejected` reads the table of rejected events, with the columns `REJECTED_NEEDS`, as it is now.
    """

    source: Source
    erased: StreamErasures
    rejected: Callable[[], pl.DataFrame]
    known: Sequence[ErasedTexts] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that `find` needs."""
        return [PARTITION, OFFSET, STAMP, REJECTED, *(self.source.columns or {})]

    def find(self, rows: pl.DataFrame) -> pl.Series:
        """Return which rows of the log are erased: events, and what says why one was rejected, which may quote it.

        That is erased with the event's row in the table of rejected ones; or, where that has gone already, by what the
        reason quotes.
        """
        there = [name for name in self.source.columns or {} if name in rows.columns]
        lacking = [pl.lit(None).alias(name) for name in self.source.columns or {} if name not in rows.columns]
        own = rows.select(STAMP, *there).with_columns(lacking)
        known = own.with_columns(event_instant(self.source).alias(_EVENT))
        made = select_columns(known, self.source)
        found = pl.zeros(rows.height, dtype=pl.Boolean, eager=True)
        for each in self.erased.keyed:
            columns: Mapping[str, str] = dict(each.columns)
            if all(column in made.columns for column in columns.values()):
                search = ErasedRows(erasures=self.erased.erasures, entity=each.entity, columns=columns)
                found = found | search.are(made, _EVENT, STAMP)
        return (found | self._find_reasons(rows)).alias("erased")

    def _find_reasons(self, rows: pl.DataFrame) -> pl.Series:
        if rows[REJECTED].null_count() == rows.height:
            return pl.zeros(rows.height, dtype=pl.Boolean, eager=True)
        table = self.rejected()
        known = table.select(PARTITION, OFFSET, self.find_rejected(table).alias(_GONE))
        places = known.group_by(PARTITION, OFFSET).agg(pl.col(_GONE).any())
        own = rows.select(PARTITION, OFFSET, REJECTED)
        reasons = own.join(places, on=[PARTITION, OFFSET], how="left", maintain_order="left")
        found = [
            reason is not None and (self._quotes(reason) if is_gone is None else is_gone)
            for reason, is_gone in reasons.select(REJECTED, _GONE).iter_rows()
        ]
        return pl.Series(found, dtype=pl.Boolean)

    def _quotes(self, reason: str) -> bool:
        return any(key.stands_in(reason.encode()) for key in self.known)

    def count_unclear(self, until: datetime) -> int:
        """Return of how many rejected events of until an instant nobody can read the key."""
        events, table = ErasedEvents(self.erased, EventDecoder(self.source)), self.rejected()
        early = table.filter(pl.col(STAMP) <= until)["value"].to_list()
        return sum(value is not None and events.is_unclear(value) for value in early)

    def find_rejected(self, rows: pl.DataFrame) -> pl.Series:
        """Return which rows of the table of rejected events are erased, as far as their bytes say."""
        events = ErasedEvents(self.erased, EventDecoder(self.source))
        stamps = rows[STAMP].to_physical().to_list()
        found = [
            value is not None and events.has_bytes(value, stamp, self.known)
            for value, stamp in zip(rows["value"].to_list(), stamps, strict=True)
        ]
        return pl.Series("erased", found, dtype=pl.Boolean)
