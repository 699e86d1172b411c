"""Records are put between the rows of heads by compiled loops, a column at a time."""

from __future__ import annotations

from typing import Any

import numba


@numba.njit(nogil=True, cache=True, error_model="numpy")
def merge_records(elements: Any, rows: Any) -> None:
    """Put the records of each list between its rows, behind as many as `rows.behind` says."""
    size, records, first = len(rows.event_us), len(elements.event_us), 0
    for i in range(len(rows.counts)):
        end, begin, count = elements.ends[i], rows.begins[i], rows.counts[i]
        if elements.is_read[i] and first < end:
            merge(rows.event_us, begin, count, elements.event_us, 0, rows.order, rows.behind, first, end)
            for slot in range(len(rows.values) // max(size, 1)):
                to, of = slot * size + begin, slot * records
                merge(rows.values, to, count, elements.values, of, rows.order, rows.behind, first, end)
                merge(rows.valid, to, count, elements.valid, of, rows.order, rows.behind, first, end)
            rows.counts[i] += end - first
        first = end


@numba.njit(nogil=True, error_model="numpy")
def merge(
    values: Any, begin: Any, count: Any, others: Any, of: Any, order: Any, behind: Any, first: Any, end: Any
) -> None:
    """Put the values of records between so many of rows, from a place on; `others` has them from `of` on."""
    last = count
    for i in range(end - 1, first - 1, -1):
        to = begin + i - first + 1
        for row in range(last - 1, behind[i] - 1, -1):
            values[to + row] = values[begin + row]
        values[to + behind[i] - 1] = others[of + order[i]]
        last = behind[i]
