"""The log of a stream and the table of its rejected events, of which rows of erased keys are removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.language.definitions.source import Source
from featurectl.offline.erased_log import LogEraser
from featurectl.offline.event_log import OWN_COLUMNS, EventLog, column_dtype
from featurectl.streaming.erased_events import ErasedTexts, StreamErasures
from featurectl.streaming.erased_log_rows import REJECTED_NEEDS, ErasedLogSearch

ErasedAfter = Callable[[int], StreamErasures]  # what is to go from a table that is clean up to an erasure's number


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTables:
    """Both tables of a stream's source. Each says up to which erasure it is clean: one that was restored is behind."""

    source: Source
    log: EventLog
    rejected: EventLog

    def is_behind(self, number: int) -> bool:
        """Return whether one of the tables may have rows of keys that were erased up to a number.

        Raises:
            StoreError: FC603, it can't be read.
        """
        opened = [table.open() for table in (self.log, self.rejected)]
        return any(of.version is not None and of.state.erased < number for of in opened)

    def clean_restored(self, erased: StreamErasures) -> int:
        """Remove rows of erased keys from a table that is behind; return how many there were.

        Raises:
            StoreError: FC603, a table can't be read or written.
            TryAgainError: workers commit so often that no other commit comes between.
        """
        if not erased or not self.is_behind(erased.number):
            return 0
        log, rejected = self.erasers(lambda _: erased)
        return log.erase().rows + rejected.erase().rows

    def erasers(self, erased: ErasedAfter, known: Sequence[ErasedTexts] = ()) -> tuple[LogEraser, LogEraser]:
        """Return what removes rows from the log, and from the table of rejected events, in this order.

        `known` are erased keys whose values are known.
        """
        of_log, of_rejected = (erased(table.open().state.erased) for table in (self.log, self.rejected))
        log, rejected = self.search(of_log, known), self.search(of_rejected, known)
        return (
            LogEraser(log=self.log, columns=log.columns, find=log.find, number=of_log.number),
            LogEraser(
                log=self.rejected, columns=REJECTED_NEEDS, find=rejected.find_rejected, number=of_rejected.number
            ),
        )

    def search(self, erased: StreamErasures, known: Sequence[ErasedTexts] = ()) -> ErasedLogSearch:
        """Return what finds rows of erased keys."""
        return ErasedLogSearch(source=self.source, erased=erased, rejected=self._rejected_rows, known=known)

    def _rejected_rows(self) -> pl.DataFrame:
        types = {**OWN_COLUMNS, **self.rejected.columns}
        nothing = pl.DataFrame(schema={name: column_dtype(types[name]) for name in REJECTED_NEEDS})
        return pl.concat([nothing, *self.rejected.read_rows(self.rejected.open(), REJECTED_NEEDS)])
