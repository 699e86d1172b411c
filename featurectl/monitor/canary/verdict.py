"""What the figures of a canary say: promote it, roll it back, or wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from featurectl.core.units import SECOND_US, counted, format_age, format_duration
from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.significance import is_beyond, is_far
from featurectl.registry.state import CanaryRun, CanaryState

DEFAULT_REQUESTS: Final = 100  # of a canary without min_requests
FEW_REQUESTS: Final = 30  # below as many, nothing is beyond doubt
FEW_ENTITIES: Final = 100  # below as many on a side, scores are not compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What was asked and measured, as text. `holds` None: there is too little to say so.

    `broken`: it does not hold, and that is no chance.
    """

    name: str
    asked: str
    measured: str
    holds: bool | None
    broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryVerdict:
    """What a canary is to become, and why; "running": nothing yet, and `reason` says what it waits for."""

    state: CanaryState
    reason: str
    criteria: tuple[Criterion, ...] = ()


def judge_figures(run: CanaryRun, figures: Figures, now: datetime) -> CanaryVerdict:
    """Return the verdict of a moment.

    A criterion that is broken beyond doubt ends the canary at once. When its time is over and it has had its requests,
    every criterion has to hold, by what was measured. Until all can be measured it goes on.
    """
    criteria, requests = tuple(_criteria(run, figures)), figures.challenger.requests
    least = least_requests(run)
    broken = [item for item in criteria if item.broken] if requests >= min(FEW_REQUESTS, least) else []
    if broken:
        return CanaryVerdict(state="rolled_back", reason=_summary(broken, requests), criteria=criteria)
    if now < ends_at(run):
        left = format_age(int((ends_at(run) - now).total_seconds()) * SECOND_US)
        return CanaryVerdict(state="running", reason=f"{left} left", criteria=criteria)
    if requests < least:
        reason = f"its time is over; it waits for requests: {requests:,} of {least:,}"
        return CanaryVerdict(state="running", reason=reason, criteria=criteria)
    unknown = [item for item in criteria if item.holds is None]
    if unknown:
        reason = f"its time is over; it waits for {unknown[0].name}: {unknown[0].measured}"
        return CanaryVerdict(state="running", reason=reason, criteria=criteria)
    failed = [item for item in criteria if not item.holds]
    if failed:
        return CanaryVerdict(state="rolled_back", reason=_summary(failed, requests), criteria=criteria)
    return CanaryVerdict(state="promoted", reason=_summary(criteria, requests), criteria=criteria)


def least_requests(run: CanaryRun) -> int:
    """Return how many requests the challenger must have had."""
    return DEFAULT_REQUESTS if run.min_requests is None else run.min_requests


def ends_at(run: CanaryRun) -> datetime:
    """Return when the declared time of a canary is over."""
    return run.started_at + timedelta(microseconds=run.for_us)


def _summary(criteria: list[Criterion] | tuple[Criterion, ...], requests: int) -> str:
    results = ", ".join(f"{item.name} {item.measured} (asked: {item.asked})" for item in criteria)
    return f"{results or 'no criterion was asked for'}; {counted(requests, 'request')}"


def _criteria(run: CanaryRun, figures: Figures) -> Iterator[Criterion]:
    side, success = figures.challenger, run.success
    if success.latency_p99_ms is not None:
        p99 = side.latency_p99_ms
        yield Criterion(
            name="latency_p99_ms",
            asked=f"at most {success.latency_p99_ms:g}",
            measured="no request" if p99 is None else f"{p99:.4g}",
            holds=None if p99 is None else p99 <= success.latency_p99_ms,
            broken=is_beyond(side.slow, side.requests, 0.01),
        )
    if success.error_rate_percent is not None:
        rate = side.error_rate_percent
        yield Criterion(
            name="error_rate_percent",
            asked=f"at most {success.error_rate_percent:g}",
            measured="no request" if rate is None else f"{rate:.4g}",
            holds=None if rate is None else rate <= success.error_rate_percent,
            broken=is_beyond(side.faults, side.requests, success.error_rate_percent / 100),
        )
    if success.freshness_us is not None:
        yield _freshness(success.freshness_us, side.oldest_us)
    if success.score_psi is not None:
        yield _psi(success.score_psi, figures)


def _freshness(limit_us: int, oldest_us: int | None) -> Criterion:
    too_old = oldest_us is not None and oldest_us > limit_us
    return Criterion(
        name="freshness",
        asked=f"at most {format_duration(limit_us)}",
        measured="no feature" if oldest_us is None else _age(oldest_us),
        holds=None if oldest_us is None else not too_old,
        broken=too_old,
    )


def _age(length_us: int) -> str:
    """Return an age in whole seconds, rounded up: one that is too old does not look as if it were not."""
    return format_duration(max(-(-length_us // 1_000_000), 0) * 1_000_000)


def _psi(limit: float, figures: Figures) -> Criterion:
    sides, asked = (figures.champion.scored, figures.challenger.scored), f"at most {limit:g}"
    if figures.score_psi is None or min(sides) < FEW_ENTITIES:
        text = f"entities with scores: {sides[1]:,} and {sides[0]:,} of the champion, {FEW_ENTITIES} are needed"
        return Criterion(name="score_psi", asked=asked, measured=text, holds=None)
    degrees = round(figures.psi_chance / (1 / sides[0] + 1 / sides[1]))
    broken = is_far(figures.score_psi, figures.psi_chance, degrees, limit)
    measured, holds = f"{figures.score_psi:.4g}", figures.score_psi <= limit
    if not broken and figures.psi_chance > limit / 2:
        text = f"{measured}, of which chance may be {figures.psi_chance:.2g}: more entities are needed"
        return Criterion(name="score_psi", asked=asked, measured=text, holds=None)
    return Criterion(name="score_psi", asked=asked, measured=measured, holds=holds, broken=broken)
