"""How many rows are read, held and asked at once within a command's memory. The shares are measured: decision 019."""

from __future__ import annotations

from typing import Final

from featurectl.language.definitions.view import FeatureView

VALUE_BYTES: Final = 10  # of a value, more or less
_MOST_BUCKETS: Final = 1 << 16  # a key is never cut, so that more would not help
_BATCH_ROWS: Final = 1_000_000
_FEWEST_ROWS: Final = 1 << 14
_BATCH_COPIES: Final = 6  # of a batch while a source is read: row groups read ahead, decoded, and worked on
_OTHER_COLUMNS: Final = 3  # of a table: event_time, available_at, tie_order
_ASKED_COPIES: Final = 4  # of a bucket's rows while they are asked: as read, and the numbers made of them
_BATCH_SHARE: Final = 4  # a quarter of the memory


def batch_rows(memory_bytes: int | None, columns: int) -> int:
    """Return how many rows of a source are read at once.

    >>> batch_rows(None, 10), batch_rows(480_000_000, 10)
    (1000000, 200000)
    """
    if memory_bytes is None:
        return _BATCH_ROWS
    fit = memory_bytes // _BATCH_SHARE // (max(columns, 1) * VALUE_BYTES * _BATCH_COPIES)
    return max(min(fit, _BATCH_ROWS), _FEWEST_ROWS)


def question_bytes(rows: int, view: FeatureView) -> int:
    """Return how much memory so many rows of a view's table take while they are asked."""
    return rows * (len(view.keys) + len(view.inputs) + _OTHER_COLUMNS) * VALUE_BYTES * _ASKED_COPIES


def buckets_that_fit(bytes_of_all: int, buckets: int, memory_bytes: int) -> int:
    """Return the least power of two, no less than `buckets`, of which one fits into the memory.

    >>> buckets_that_fit(1000, 2, 500), buckets_that_fit(1000, 2, 200), buckets_that_fit(0, 1, 0)
    (2, 8, 1)
    """
    while bytes_of_all // buckets > max(memory_bytes, 1) and buckets < _MOST_BUCKETS:
        buckets *= 2
    return buckets
