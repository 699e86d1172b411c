"""The table: each line is a work, our cost, a rival's, the ratio, and whether the results are equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.pit.measure import Cost, middle

_RELATIVE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One comparison; `goal` is the greatest ratio of our seconds to the rival's that is aimed at (None: none is)."""

    work: str
    rival: str
    ours: Cost
    theirs: Cost
    equal: str
    goal: float | None = None
    beside: str = ""

    def cells(self) -> list[str]:
        """Return the line as texts."""
        ratio = "-"
        if not self.ours.failed and self.theirs.seconds:
            ratio = f"{'< ' if self.theirs.failed else ''}{self.ours.seconds / self.theirs.seconds:.2f}"
        ours, theirs = _told(self.ours), _told(self.theirs)
        goal = "-" if self.goal is None else f"{self.goal:.2f}"
        return [self.work, ours, self.rival, theirs, ratio, goal, self.equal, self.beside]


def _told(cost: Cost) -> str:
    return cost.failed or f"{cost.seconds:.1f} s ({cost.cpu_seconds:.1f} CPU), {cost.peak_mb:,.0f} MB"


HEAD = ("work", "ours", "rival", "theirs", "ratio", "goal", "results", "beside it")


def in_turn(runs: int, *programs: Callable[[], Cost]) -> list[Cost]:
    """Run programs one after the other, several times over, and return the medians of each."""
    taken: list[list[Cost]] = [[] for _ in programs]
    for _ in range(runs):
        for program, costs in zip(programs, taken, strict=True):
            if not (costs and costs[-1].failed):  # what failed once is not waited for again
                costs.append(program())
    return [middle(costs) for costs in taken]


def compare(ours: Path, theirs: Path, by: Sequence[str] = ()) -> str:
    """Return "equal", or how many cells differ: floats by more than 1e-9 of their size, all else at all.

    `by` are columns to sort both by, for a rival that does not keep the order of the spine.
    """
    if not theirs.exists():
        return "-"
    mine, other = pl.read_parquet(ours), pl.read_parquet(theirs).rename({"event_timestamp": "t"}, strict=False)
    if by:
        mine, other = mine.sort(by), other.sort(by)
    names = [name for name in other.columns if name in mine.columns and name not in by]
    if mine.height != other.height:
        return f"{mine.height} rows, {other.height} there"
    differ = 0
    for name in names:
        a, b = mine[name], other[name]
        if a.dtype.is_float():
            near = ((a - b).abs() <= _RELATIVE * (1 + b.abs())).fill_null(value=False)
            same = near | (a.is_null() & b.is_null())
        else:
            same = a.eq_missing(b.cast(a.dtype))
        differ += int((~same).sum())
    return f"equal, {mine.height * len(names):,} cells" if differ == 0 else f"{differ:,} cells differ"


def render(lines: Sequence[Line]) -> str:
    """Return a Markdown table."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
