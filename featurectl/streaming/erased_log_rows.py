"""Which rows of a stream's log, and of its table of rejected events, are of erased keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.engines.clocks import select_columns
from featurectl.language.definitions.source import Source
from featurectl.offline.event_log import STAMP
from featurectl.pit.erased_rows import ErasedRows
from featurectl.streaming.erased_events import ErasedEvents, StreamErasures
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.event_rows import event_instant

_EVENT: Final = "\x00event"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedLogSearch:
    """Finds rows of erased keys: `find` in the log, `find_rejected` in the table of what was rejected.

    `words` are the texts of erased keys, where they are known: what was rejected and can't be decoded is found by them.
    """

    source: Source
    erased: StreamErasures
    words: Sequence[bytes] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that `find` needs."""
        return [STAMP, *(self.source.columns or {})]

    def find(self, rows: pl.DataFrame) -> pl.Series:
        """Return which rows of the log are erased; those of rejected events have no key, and are not."""
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
        return found.alias("erased")

    def find_rejected(self, rows: pl.DataFrame) -> pl.Series:
        """Return which rows of the table of rejected events are erased, as far as their bytes say."""
        events = ErasedEvents(self.erased, EventDecoder(self.source))
        stamps = rows[STAMP].to_physical().to_list()
        found = [
            value is not None and events.has_bytes(value, stamp, self.words)
            for value, stamp in zip(rows["value"].to_list(), stamps, strict=True)
        ]
        return pl.Series("erased", found, dtype=pl.Boolean)
