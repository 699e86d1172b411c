"""The last events that the log of a stream has of a partition, from its newest files and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from featurectl.offline.actions import files_of
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, STAMP, EventLog, OpenedLog

_FILES: Final = (1, 3, 12, 16)  # that are read at once, newest first
_NEAR: Final = 256  # rows of the partition behind the first event that is given, rejected ones among them


def last_events(log: EventLog, opened: OpenedLog, partition: str, bounds: tuple[int, int], most: int) -> pl.DataFrame:
    """Return the last events of a partition within bounds, the end excluded, by offset; rejected ones are none.

    Those that lie near each other, in the newest files: what lies far back in a large log is not looked for, as offsets
    of partitions tell nothing of the files of one.

    Raises:
        StoreError: FC603, the log can't be read.
    """
    paths, begin = _newest_files(log, opened, bounds), 0
    for count in _FILES:
        some = paths[begin : begin + count]
        begin += count
        if some and (offsets := _last_offsets(log, some, partition, bounds)):
            return _events(log, some, partition, offsets[-most:])
    return _events(log, [], partition, [0])


def _newest_files(log: EventLog, opened: OpenedLog, bounds: tuple[int, int]) -> Sequence[str]:
    """Return files that may have offsets within bounds, the newest first by the stamps of their events."""
    files, (begin, end) = pl.DataFrame() if opened.table is None else files_of(opened.table), bounds
    if files.is_empty():
        return []
    least, greatest, newest = (
        pl.col(name) if name in files.columns else pl.lit(None)
        for name in (f"min.{OFFSET}", f"max.{OFFSET}", f"max.{STAMP}")
    )
    near = files.filter((greatest >= begin).fill_null(value=True), (least < end).fill_null(value=True))
    return [f"{log.location}/{path}" for path in near.sort(newest, descending=True, nulls_last=False)["path"]]


def _last_offsets(log: EventLog, paths: Sequence[str], partition: str, bounds: tuple[int, int]) -> Sequence[int]:
    """Return the offsets of the events that are among the last rows of a partition in some files, in order."""
    wanted = (pl.col(PARTITION) == partition) & pl.col(OFFSET).is_between(*bounds, closed="left")
    with log.failures("read"):
        rows = log.scan_files(paths, [REJECTED]).filter(wanted).select(OFFSET, REJECTED)
        found = rows.top_k(_NEAR, by=OFFSET).collect()
    return sorted(found.filter(pl.col(REJECTED).is_null())[OFFSET].to_list())


def _events(log: EventLog, paths: Sequence[str], partition: str, offsets: Sequence[int]) -> pl.DataFrame:
    columns = [OFFSET, *log.columns]
    near = pl.col(OFFSET).is_between(offsets[0], offsets[-1])
    wanted = (pl.col(PARTITION) == partition) & near & pl.col(OFFSET).is_in(offsets)
    with log.failures("read"):
        return log.scan_files(paths, columns).filter(wanted).select(columns).collect().sort(OFFSET)
