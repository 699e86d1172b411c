"""What the prediction log says of both sides of a canary."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFigures:
    """One side. `faults` are requests that failed by no fault of their own, `slow` those slower than the limit.

    `scored` is how many entities have a score that is compared, `oldest_us` the age of the oldest feature.
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

    champion: SideFigures
    challenger: SideFigures
    score_psi: float | None = None
    psi_chance: float = 0.0

    @property
    def share_percent(self) -> float | None:
        """The share of the entities' requests that the challenger has answered, or scored in the shadow."""
        together = self.champion.requests + self.challenger.requests
        return 100 * self.challenger.requests / together if together else None
