"""Figures of a canary, gathered from its rows as they come: what is kept does not grow with the requests."""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from featurectl.language.definitions.gates import CanarySuccess
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
COMPARED: Final = 100_000  # entities of a side
_CHAMPION: Final = "champion"
_DIGITS: Final = 4  # of a latency: so there are few of them to count


class CanaryTally:
    """The figures of a canary's rows so far; all rows of a request come together."""

    def __init__(self, run: CanaryRun) -> None:
        self._champion = _SideTally(run.champion, run.success)
        self._challenger = _SideTally(run.challenger, run.success)

    def add(self, rows: pl.DataFrame) -> None:
        """Take more rows, with the columns of `ROWS`."""
        is_champion = pl.col("role") == _CHAMPION
        self._champion.add(rows.filter(is_champion))
        self._challenger.add(rows.filter(~is_champion))

    def figures(self) -> Figures:
        """Return the figures so far."""
        sides = (self._champion, self._challenger)
        scores = [side.scores.values() for side in sides]
        psi, chance = score_psi(*scores) if all(map(len, scores)) else (None, 0.0)
        champion, challenger = (side.figures() for side in sides)
        return Figures(champion=champion, challenger=challenger, score_psi=psi, psi_chance=chance)


class LastScores:
    """The last score of each entity: many requests for one of them are one observation.

    Of more than `most` entities a part is kept, by the last bits of their hashes: these say nothing of the side that an
    entity is on, and the part is the same in whatever order rows come.
    """

    def __init__(self, most: int = COMPARED) -> None:
        self._most = most
        self._one_of = 1
        self._rows = pl.DataFrame(schema={name: ROWS[name] for name in ("entity", "logged_at", "score")})

    def add(self, rows: pl.DataFrame) -> None:
        """Take more rows; those without a score are left out."""
        new = self._kept(rows.drop_nulls("score").select(self._rows.columns))
        known = pl.concat([self._rows, new]).sort("logged_at", maintain_order=True)
        self._rows = known.unique("entity", keep="last", maintain_order=True)
        while self._rows.height > self._most:
            self._one_of *= 2
            self._rows = self._kept(self._rows)

    def values(self) -> pl.Series:
        """Return a score for each entity that is kept."""
        return self._rows["score"]

    def _kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("entity") % self._one_of == 0)


class _SideTally:
    """One side of a canary so far."""

    def __init__(self, version: int, success: CanarySuccess) -> None:
        self.scores = LastScores()
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
        self.scores.add(rows)

    def figures(self) -> SideFigures:
        """Return the figures of this side."""
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
            scored=len(self.scores.values()),
        )

    def _p99(self, requests: int) -> float | None:
        """Return the latency that 99 of 100 requests have at most; of two between which it lies, the longer one."""
        if not requests:
            return None
        place = -(-99 * (requests - 1) // 100)
        return float(self._latencies.filter(pl.col("count").cum_sum() > place)["latency_ms"][0])
