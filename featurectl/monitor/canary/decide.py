"""Judge running canaries and write what is decided; any number of judges may do so, one of them decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from featurectl.core.errors import TryAgainError
from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.canary.verdict import CanaryVerdict
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import CHAMPION, CanaryRun, CanaryState
from featurectl.workspace.actor import Actor
from featurectl.workspace.workspace import Workspace

_WORDS: Mapping[CanaryState, str] = {"promoted": "promoted", "rolled_back": "rolled back", "aborted": "aborted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDecision:
    """How a running canary ends, and by which figures."""

    run: CanaryRun
    verdict: CanaryVerdict
    figures: Figures


def write_decision(workspace: Workspace, decision: CanaryDecision, actor: Actor, command: str) -> CanaryRun | None:
    """Write how a canary ends, and return it as it is then; None when another judge was faster.

    One that is to be promoted over a champion that is another by now is aborted.
    """
    verdict = decision.verdict
    assert verdict.state != "running"
    figures = figures_json(decision.figures, verdict)
    decided = replace(decision.run, state=verdict.state, decided_at=actor.at, reason=verdict.reason, figures=figures)
    entry = _entry(decided, actor, command)
    try:
        return decided if workspace.registry().decide_canary(workspace.project, decided, entry) else None
    except TryAgainError as error:
        aborted = replace(verdict, state="aborted", reason=error.message)
        return write_decision(workspace, replace(decision, verdict=aborted), actor, command)


def _entry(decided: CanaryRun, actor: Actor, command: str) -> HistoryEntry:
    assert decided.state != "running"
    summary = f"{decided.model} v{decided.challenger} canary {_WORDS[decided.state]}: {decided.reason}"
    return HistoryEntry(serial=0, at=actor.at, who=actor.who, commit=actor.commit, command=command, summary=summary)


def moved_champion(run: CanaryRun, aliases: Mapping[tuple[str, str], int]) -> str:
    """Return why a canary has lost its meaning: its champion is another by now; "" while it is the same."""
    champion = aliases.get((run.model, CHAMPION))
    if champion == run.champion:
        return ""
    found = "none" if champion is None else f"version {champion}"
    return f"the champion is {found} by now, not version {run.champion}"


def figures_json(figures: Figures, verdict: CanaryVerdict) -> dict[str, object]:
    """Return figures ready for JSON."""
    sides = {name: asdict(side) for name, side in (("champion", figures.champion), ("challenger", figures.challenger))}
    for name, side in (("champion", figures.champion), ("challenger", figures.challenger)):
        sides[name]["error_rate_percent"] = side.error_rate_percent
    criteria = [asdict(item) for item in verdict.criteria]
    return {**sides, "share_percent": figures.share_percent, "score_psi": figures.score_psi, "criteria": criteria}
