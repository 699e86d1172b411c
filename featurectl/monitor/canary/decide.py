"""Judge running canaries and write what is decided; any number of judges may do so, one of them decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from featurectl.core.errors import TryAgainError
from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.canary.verdict import CanaryVerdict
from featurectl.registry.base import HistoryEntry, Registry
from featurectl.registry.state import CanaryRun, CanaryState

_WORDS: Mapping[CanaryState, str] = {"promoted": "promoted", "rolled_back": "rolled back", "aborted": "aborted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Where decisions are written, by whom, by which command, from which commit."""

    registry: Registry
    project: str
    who: str
    command: str
    commit: str = ""

    def end(self, run: CanaryRun, verdict: CanaryVerdict, figures: Figures, now: datetime) -> CanaryRun | None:
        """Write how a canary ends, and return it as it is then; None when another judge was faster.

        One that is to be promoted over a champion that is another by now is aborted.
        """
        assert verdict.state != "running"
        decided = replace(
            run, state=verdict.state, decided_at=now, reason=verdict.reason, figures=figures_json(figures, verdict)
        )
        try:
            return decided if self.registry.decide_canary(self.project, decided, self._entry(decided)) else None
        except TryAgainError as error:
            return self.end(run, replace(verdict, state="aborted", reason=error.message), figures, now)

    def _entry(self, decided: CanaryRun) -> HistoryEntry:
        assert decided.decided_at is not None
        summary = f"{decided.model} v{decided.challenger} canary {_WORDS[decided.state]}: {decided.reason}"
        return HistoryEntry(
            serial=0,
            at=decided.decided_at,
            who=self.who,
            commit=self.commit,
            command=self.command,
            summary=summary,
        )


def moved_champion(run: CanaryRun, aliases: Mapping[tuple[str, str], int]) -> str:
    """Return why a canary has lost its meaning: its champion is another by now; "" while it is the same."""
    champion = aliases.get((run.model, "champion"))
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
