"""A clock that is shifted: the constant by which the instants of most rows have to be moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import DAY_US, HOUR_US, format_duration
from featurectl.engines.base import Engine
from featurectl.monitor.verify.served_rows import ServedRows, TableQuestion, computed

_MINUTE_US: Final = 60_000_000
_SECOND_US: Final = 1_000_000
_SAMPLE: Final = 60  # rows by which a shift is looked for
LEAST_ROWS: Final = 3  # fewer are explained by some shift or other


def find_shift(engine: Engine, served: ServedRows, tolerance: float) -> int | None:
    """Return the shift, in microseconds, that explains most of the rows that differ; None: there is none.

    Whole hours up to a day and days up to a week are looked at first; then every ten minutes of two days, and around
    the best of those, minutes and seconds.
    """
    if served.height < LEAST_ROWS:
        return None
    step = max(served.height // _SAMPLE, 1)
    sample = served.some(pl.int_range(0, served.height, step, eager=True).head(_SAMPLE))
    whole = [h * HOUR_US for h in range(1, 25)] + [d * DAY_US for d in range(2, 8)]
    best = _best(engine, sample, [sign * us for us in whole for sign in (1, -1)], tolerance)
    if best[0] < sample.height:
        steps = [n * 10 * _MINUTE_US for n in range(-144, 145) if n]
        for step_us in (_MINUTE_US, _SECOND_US):
            best = max(best, _best(engine, sample, steps, tolerance), key=lambda found: found[0])
            reach = 10 if step_us == _MINUTE_US else 60
            steps = [best[1] + n * step_us for n in range(-reach, reach + 1) if best[1] + n * step_us]
        best = max(best, _best(engine, sample, steps, tolerance), key=lambda found: found[0])
    rows, shift_us = best
    return shift_us if rows >= LEAST_ROWS and 2 * rows > sample.height else None


def shifted(served: ServedRows, shift_us: int) -> TableQuestion:
    """Return how the table is asked at instants so much later (less than 0: earlier)."""
    known = None if served.known is None else _moved(served.known, shift_us)
    return TableQuestion(at=_moved(served.at, shift_us), known=known)


def _moved(instants: pl.Series, by_us: int | pl.Series) -> pl.Series:
    return (instants.to_physical() + by_us).cast(INSTANT)


def spell_shift(shift_us: int) -> str:
    """Return a shift in words.

    >>> spell_shift(-3_600_000_000)
    '1h earlier'
    """
    return f"{format_duration(abs(shift_us))} {'later' if shift_us > 0 else 'earlier'}"


def _best(engine: Engine, sample: ServedRows, shifts: Sequence[int], tolerance: float) -> tuple[int, int]:
    """Return how many rows the best of some shifts explains, and that one: the smallest of equals."""
    if not shifts:
        return 0, 0
    rows, ordered = sample.height, sorted(shifts, key=lambda us: (abs(us), us))
    places = pl.int_range(rows * len(ordered), eager=True)
    many, number = sample.some(places % rows), places // rows
    by = pl.Series("shift", ordered, dtype=pl.Int64).gather(number)
    instants = _moved(many.at, by)
    known = None if many.known is None else _moved(many.known, by)
    found = computed(engine, replace(many, at=instants, read_at=instants, known=known))
    right = ~many.wrong(found, tolerance).select(pl.any_horizontal(pl.all())).to_series()
    counts = pl.DataFrame([number.alias("number"), right.alias("right")]).group_by("number").agg(pl.sum("right"))
    best = counts.sort("right", "number", descending=[True, False]).row(0)
    return int(best[1]), ordered[best[0]]
