"""The rows of many ranges, gathered in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from featurectl.pit.arrays import CHUNK_ROWS, Ints, batches, unroll
from featurectl.pit.lanes import LaneRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeChunk:
    """The rows of some consecutive probes, probe after probe; inside a probe in no order that matters."""

    rows: Ints  # row numbers of the table
    sizes: Ints  # how many rows each probe has


def gather(parts: Sequence[LaneRanges]) -> Iterator[ProbeChunk]:
    """Yield all rows of all parts for every probe, in order of probes.

    A chunk is at most 4 M rows, or one probe; there is at least one chunk, also for no probes.
    """
    sizes = np.zeros(len(parts[0].lo), np.int64)
    for part in parts:
        sizes += part.hi - part.lo
    for start, stop in batches(sizes, CHUNK_ROWS) or [(0, 0)]:
        yield ProbeChunk(rows=_rows(parts, start, stop), sizes=sizes[start:stop])


def _rows(parts: Sequence[LaneRanges], start: int, stop: int) -> Ints:
    rows, owners = [], []
    for part in parts:
        positions, owner = unroll(part.lo[start:stop], part.hi[start:stop])
        rows.append(part.lane.table_rows(positions))
        owners.append(owner)
    if len(parts) == 1:
        return rows[0]
    order = np.argsort(np.concatenate(owners), kind="stable")
    joined: Ints = np.concatenate(rows)[order]
    return joined
