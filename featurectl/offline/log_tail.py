"""The last events that the log of a stream has of a partition, without reading the files that have none of them."""

from __future__ import annotations

from typing import Final

import polars as pl

from featurectl.offline.actions import files_of
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, EventLog, OpenedLog

_NEAR: Final = 256  # offsets
_NEARER: Final = 64  # in Redis offsets of a second lie millions apart


def last_events(log: EventLog, opened: OpenedLog, partition: str, bounds: tuple[int, int], most: int) -> pl.DataFrame:
    """Return the last events of a partition within bounds, the end excluded, by offset; rejected ones are none.

    Raises:
        StoreError: FC603, the log can't be read.
    """
    begin, end = bounds
    near = _NEAR
    while True:
        first = max(begin, end - near)
        found = _events(log, opened, partition, (first, end), most)
        if found.height or first == begin:
            return found
        near *= _NEARER


def _events(log: EventLog, opened: OpenedLog, partition: str, bounds: tuple[int, int], most: int) -> pl.DataFrame:
    columns, (first, end) = [OFFSET, *log.columns], bounds
    files = pl.DataFrame() if opened.table is None else files_of(opened.table)
    paths: list[str] = []
    if not files.is_empty():
        least, greatest = (pl.col(f"{side}.{OFFSET}") for side in ("min", "max"))
        near = files.filter((greatest >= first).fill_null(value=True), (least < end).fill_null(value=True))
        paths = [f"{log.location}/{path}" for path in near["path"]]
    wanted = (pl.col(PARTITION) == partition) & pl.col(OFFSET).is_between(first, end, closed="left")
    with log.failures("read"):
        rows = log.scan_files(paths, [*columns, REJECTED]).filter(wanted & pl.col(REJECTED).is_null())
        return rows.select(columns).top_k(most, by=OFFSET).collect().sort(OFFSET)
