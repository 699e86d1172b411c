"""How many rows are read, held and asked at once within a command's memory. The shares are measured: decision 019."""

from __future__ import annotations

from typing import Final

VALUE_BYTES: Final = 10  # of a value, more or less
_BATCH_ROWS: Final = 1_000_000
_FEWEST_ROWS: Final = 1 << 14
_BATCH_COPIES: Final = 6  # of a batch while a source is read: row groups read ahead, decoded, and worked on
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
