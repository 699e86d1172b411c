"""Small tables for the tests of the kernel: times are whole microseconds since 1970."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Self

import polars as pl
import pytest

from featurectl.pit import availability, fold, gather, naive, order, ranges
from featurectl.pit.aggregates import approx_distinct, whole_range
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER, WindowQuestion
from featurectl.pit.windows import answer_windows

INSTANT = pl.Datetime("us", "UTC")


def instants(times: Iterable[int | None]) -> pl.Series:
    return pl.Series(list(times), dtype=pl.Int64).cast(INSTANT)


def rows_of(events: Any, *, dtype: Any = None, key: str = "k", known: Any = None) -> pl.DataFrame:
    """Rows of one key out of (time, value); `known` are their times of availability, else the event times."""
    times = [time for time, _ in events]
    return pl.DataFrame(
        {
            "k": pl.Series([key] * len(events), dtype=pl.String),
            EVENT_TIME: instants(times),
            AVAILABLE_AT: instants(times if known is None else known),
            TIE_ORDER: pl.Series(range(len(events)), dtype=pl.Int64),
            "v": pl.Series([value for _, value in events], dtype=dtype),
        }
    )


def spine_of(times: Sequence[int | None], key: str = "k") -> pl.DataFrame:
    return pl.DataFrame({"k": pl.Series([key] * len(times), dtype=pl.String), "t": instants(times)})


def ask(  # noqa: PLR0913  # most have a default
    rows: pl.DataFrame, times: Sequence[int | None] | pl.DataFrame, op: str, *, column: str | None = "v",
    window: int | None = None, offset: int = 0, n: int | None = None, q: float | None = None, **view: Any,
) -> list:  # fmt: skip
    """The answers to one question about the key "k" at some instants."""
    question = WindowQuestion(name="x", op=op, column=column, window_us=window, offset_us=offset, n=n, q=q)
    spine = times if isinstance(times, pl.DataFrame) else spine_of(times)
    return answer_windows(rows, spine, keys=["k"], time="t", questions=[question], **view)["x"].to_list()


def alike(got: Any, expected: Any, size: float = 1.0) -> bool:
    """Equal in type and value; floats to 1e-12 of the larger of the value and `size`, NaN equal to NaN."""
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(map(alike, got, expected))
    if isinstance(got, float) and isinstance(expected, float):
        both_nan = math.isnan(got) and math.isnan(expected)
        return both_nan or math.isclose(got, expected, rel_tol=1e-12, abs_tol=1e-12 * size)
    return type(got) is type(expected) and got == expected


class SmallPieces:
    """Tiles of two rows, layers after two places, chunks of three rows, two values counted exactly, few bits of times.

    So small tables take every path; with `levels` also that of ranges with very many rows.
    """

    def __init__(self, *, levels: bool = False) -> None:
        self.levels = levels

    def __enter__(self) -> Self:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(fold, "TILE_ROWS", 2)
        self.patch.setattr(fold, "SHORT_ROWS", 4)
        self.patch.setattr(availability, "_OVERTAKEN_ROWS", 2)
        self.patch.setattr(availability, "_LAYERS", 3)
        self.patch.setattr(order, "_BITS", 16)
        self.patch.setattr(ranges, "_MOST", 12)
        if self.levels:
            self.patch.setattr(whole_range, "worth_levels", lambda parts, _: any((p.hi > p.lo).any() for p in parts))
            self.patch.setattr(whole_range, "mostly_one", lambda _: True)
        for module in (naive, approx_distinct):
            self.patch.setattr(module, "EXACT_VALUES", 2)
        for module in (availability, fold, gather):
            self.patch.setattr(module, "CHUNK_ROWS", 3)
        return self

    def __exit__(self, *_: object) -> None:
        self.patch.undo()
