"""Canaries as people read them, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from featurectl.core.units import format_duration, format_instant, format_iso
from featurectl.registry.state import CanaryRun
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from featurectl.monitor.canary.figures import SideFigures
    from featurectl.monitor.canary.lifecycle import CanaryEvaluation


def render_started(run: CanaryRun) -> str:
    """Return what has begun, and how it ends."""
    return (
        f"{_head(run)}\nfor {format_duration(run.for_us)}: featurectl models canary status {run.model} "
        f"--env {run.environment}"
    )


def render_ended(run: CanaryRun) -> str:
    """Return how a canary has ended."""
    at = format_instant(run.decided_at) if run.decided_at else ""
    return f"{_head(run)}\n{run.state.replace('_', ' ')} {at}: {in_one_line(run.reason)}"


def render_needless(model: str, champion: int) -> str:
    """Return why a version needs no canary."""
    return f"{model} version {champion} is the champion already: it needs no canary."


def render_evaluation(judged: CanaryEvaluation) -> str:
    """Return the figures of both sides, what was asked and what was measured, and what that means."""
    run, figures, verdict = judged.run, judged.figures, judged.verdict
    shadow = "shadow" if run.percent == 0 else "challenger"
    head = ("", "version", "requests", "errors %", "p99 ms", "oldest feature", "scores compared")
    lines = [
        _head(run),
        "",
        *render_table(head, [_side("champion", figures.champion), _side(shadow, figures.challenger)]),
    ]
    if verdict.criteria:
        marks = {True: "holds", False: "does not hold", None: "too little to say"}
        rows = [[item.name, item.asked, item.measured, marks[item.holds]] for item in verdict.criteria]
        lines += ["", *render_table(("criterion", "asked", "measured", ""), rows)]
    if run.percent and figures.share_percent is not None:
        lines += ["", f"{figures.share_percent:.1f}% of the requests were the challenger's"]
    ended = run.state if run.state == "running" else render_ended(run).partition("\n")[2]
    return "\n".join([*lines, "", f"running: {in_one_line(verdict.reason)}" if ended == "running" else ended])


def run_json(run: CanaryRun) -> dict[str, object]:
    """Return a canary ready for JSON."""
    decided = format_iso(run.decided_at) if run.decided_at else None
    return asdict(run) | {"started_at": format_iso(run.started_at), "decided_at": decided}


def evaluation_json(judged: CanaryEvaluation) -> dict[str, object]:
    """Return a canary with the figures of this look, ready for JSON."""
    from featurectl.monitor.canary.decide import figures_json

    document = run_json(judged.run) | {"figures": figures_json(judged.figures, judged.verdict)}
    return document if judged.run.state != "running" else document | {"reason": judged.verdict.reason}


def _head(run: CanaryRun) -> str:
    how = "in the shadow of" if run.percent == 0 else f"for {run.percent:g}% of the entities beside"
    since = format_instant(run.started_at)
    return f"{run.model} version {run.challenger} {how} version {run.champion}, since {since} in {run.environment}"


def _side(name: str, side: SideFigures) -> list[str]:
    rate, p99, oldest = side.error_rate_percent, side.latency_p99_ms, side.oldest_us
    return [
        name,
        str(side.version),
        f"{side.requests:,}",
        "-" if rate is None else f"{rate:.2f}",
        "-" if p99 is None else f"{p99:.1f}",
        "-" if oldest is None else format_duration(max(oldest // 1_000_000, 0) * 1_000_000),
        f"{side.scored:,}",
    ]
