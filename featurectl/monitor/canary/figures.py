"""What the prediction log says of both sides of a canary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from featurectl.monitor.canary.chance import score_psi
from featurectl.registry.state import CanaryRun
from featurectl.spec.definition_gates import CanarySuccess

CHAMPION: Final = "champion"
CHALLENGER: Final = ("challenger", "shadow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side. `faults` are requests that failed by no fault of their own, `slow` those slower than the limit.

    `scored` is how many entities have a score, `oldest_us` the age of the oldest feature.
    """

    version: int
    requests: int = 0
    rows: int = 0
    faults: int = 0
    slow: int = 0
    latency_p99_ms: float | None = None
    oldest_us: int | None = None
    scored: int = 0

    @property
    def error_rate_percent(self) -> float | None:
        """The share of requests that failed."""
        return 100 * self.faults / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Both sides, and how far their scores are apart: PSI, None without scores on either side.

    `psi_chance` is what chance alone adds to it.
    """

    champion: Side
    challenger: Side
    score_psi: float | None = None
    psi_chance: float = 0.0

    @property
    def share_percent(self) -> float | None:
        """The share of the entities' requests that the challenger has answered, or scored in the shadow."""
        together = self.champion.requests + self.challenger.requests
        return 100 * self.challenger.requests / together if together else None


def measure(run: CanaryRun, rows: pl.DataFrame) -> Figures:
    """Return the figures of a canary's rows, as `CanaryLog.read` gives them."""
    champion, challenger = rows.filter(role=CHAMPION), rows.filter(pl.col("role").is_in(CHALLENGER))
    scores = [_scores(side) for side in (champion, challenger)]
    psi, chance = score_psi(*scores) if all(map(len, scores)) else (None, 0.0)
    return Figures(
        champion=_side(run.champion, champion, len(scores[0]), run.success),
        challenger=_side(run.challenger, challenger, len(scores[1]), run.success),
        score_psi=psi,
        psi_chance=chance,
    )


def _scores(rows: pl.DataFrame) -> pl.Series:
    """Return the last score of each entity: many requests for one of them are one observation."""
    last = rows.drop_nulls("score").sort("logged_at", maintain_order=True).unique("entity", keep="last")
    return last["score"]


def _side(version: int, rows: pl.DataFrame, scored: int, success: CanarySuccess) -> Side:
    if rows.is_empty():
        return Side(version=version)
    per_request = rows.group_by("server", "request").agg(pl.col("latency_ms").max(), pl.col("fault").any())
    latency, limit = per_request["latency_ms"], success.latency_p99_ms
    p99, oldest = latency.quantile(0.99, "higher"), rows["age_us"].max()
    assert isinstance(oldest, int | None)
    return Side(
        version=version,
        requests=per_request.height,
        rows=rows.height,
        faults=int(per_request["fault"].sum()),
        slow=0 if limit is None else int((latency > limit).sum()),
        latency_p99_ms=p99,
        oldest_us=oldest,
        scored=scored,
    )
