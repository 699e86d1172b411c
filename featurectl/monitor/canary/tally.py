"""Figures of a canary, gathered from its rows as they come: what is kept does not grow with the requests."""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from featurectl.language.definitions.gates import CanarySuccess
from featurectl.monitor.canary.compared_scores import ComparedScores
from featurectl.monitor.canary.figures import Figures, SideFigures
from featurectl.monitor.canary.score_distance import score_psi
from featurectl.registry.state import CanaryRun

ROWS: Final = pl.Schema(
    {
        "role": pl.String(), "server": pl.String(), "request": pl.Int64(), "entity": pl.Int64(),
        "logged_at": pl.Datetime("us", "UTC"), "score": pl.Float64(), "fault": pl.Boolean(),
        "latency_ms": pl.Float64(), "age_us": pl.Int64(),
    }
)  # fmt: skip
_CHAMPION: Final = "champion"
_DIGITS: Final = 4  # of a latency: so there are few of them to count


class CanaryTally:
    """The figures of a canary's rows so far; all rows of a request come together."""

    def __init__(self, run: CanaryRun) -> None:
        self._champion = _SideTally(run.champion, run.success)
        self._challenger = _SideTally(run.challenger, run.success)
        self._scores = ComparedScores()

    def add(self, rows: pl.DataFrame) -> None:
        """Take more rows, with the columns of `ROWS`."""
        is_champion = pl.col("role") == _CHAMPION
        champion, challenger = rows.filter(is_champion), rows.filter(~is_champion)
        self._champion.add(champion)
        self._challenger.add(challenger)
        self._scores.add(champion, challenger)

    def figures(self) -> Figures:
        """Return the figures so far."""
        scores = self._scores.values()
        psi, chance = score_psi(*scores) if all(map(len, scores)) else (None, 0.0)
        sides = zip((self._champion, self._challenger), scores, strict=True)
        champion, challenger = (side.figures(len(compared)) for side, compared in sides)
        return Figures(champion=champion, challenger=challenger, score_psi=psi, psi_chance=chance)


class _SideTally:
    """One side of a canary so far."""

    def __init__(self, version: int, success: CanarySuccess) -> None:
        self._version = version
        self._slow_ms = math.inf if success.latency_p99_ms is None else success.latency_p99_ms
        self._rows = 0
        self._faults = 0
        self._oldest_us: int | None = None
        self._latencies = pl.DataFrame(schema={"latency_ms": pl.Float64(), "count": pl.UInt64()})

    def add(self, rows: pl.DataFrame) -> None:
        """Take more rows of this side."""
        latency = pl.col("latency_ms").max().round_sig_figs(_DIGITS)
        requests = rows.group_by("server", "request").agg(latency, pl.col("fault").any())
        counted = requests.group_by("latency_ms").agg(pl.len().cast(pl.UInt64()).alias("count"))
        together = pl.concat([self._latencies, counted]).group_by("latency_ms")
        self._latencies = together.agg(pl.col("count").sum()).sort("latency_ms")
        self._rows += rows.height
        self._faults += int(requests["fault"].sum())
        ages = [age for age in (self._oldest_us, rows["age_us"].max()) if isinstance(age, int)]
        self._oldest_us = max(ages, default=None)

    def figures(self, scored: int) -> SideFigures:
        """Return the figures of this side, which has so many entities with a score that is compared."""
        requests = int(self._latencies["count"].sum())
        slow = self._latencies.filter(pl.col("latency_ms") > self._slow_ms)
        return SideFigures(
            version=self._version,
            requests=requests,
            rows=self._rows,
            faults=self._faults,
            slow=int(slow["count"].sum()),
            latency_p99_ms=self._p99(requests),
            oldest_us=self._oldest_us,
            scored=scored,
        )

    def _p99(self, requests: int) -> float | None:
        """Return the latency that 99 of 100 requests have at most; of two between which it lies, the longer one."""
        if not requests:
            return None
        place = -(-99 * (requests - 1) // 100)
        return float(self._latencies.filter(pl.col("count").cum_sum() > place)["latency_ms"][0])
