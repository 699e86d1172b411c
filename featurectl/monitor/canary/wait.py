"""Wait until a canary is over. Who waits judges, too: so it ends where no server runs, or none judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import StoreError, TryAgainError
from featurectl.core.units import SECOND_US, format_age, format_duration
from featurectl.monitor.canary.lifecycle import CanaryEvaluation, give_up, judge_seen, look_at, open_log
from featurectl.monitor.canary.verdict import ends_at, least_requests
from featurectl.registry.state import CanaryRun

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.monitor.canary.log import CanaryLog
    from featurectl.workspace.workspace import Workspace

_COMMAND: Final = "models canary start --wait"


def _clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryWait:
    """Judges a canary every so many seconds until it is over, whoever ends it; a line of `progress` at each look.

    A registry, or a prediction log, that can't be read is waited for. `pause` waits so many seconds, `now` is the
    clock. A canary that is not over `within` its length after its beginning is aborted.
    """

    workspace: Workspace
    every_s: float
    progress: Progress
    pause: Callable[[float], object]
    now: Callable[[], datetime] = _clock
    within: timedelta | None = None

    def wait(self, run: CanaryRun) -> CanaryRun:
        """Return the canary as it has ended.

        Raises:
            UsageError: the environment keeps no predictions, or another environment serves the canary.
        """
        log: CanaryLog | None = None
        away = ""
        if self.within is not None and run.started_at + self.within < ends_at(run):
            self.progress.done("warning: it is aborted before it can be over: let --within be longer than its `for`")
        while True:
            try:
                log = log or open_log(self.workspace, run)
                found = self._look(run, log)
            except (StoreError, TryAgainError) as error:
                if error.message != away:
                    self.progress.done(f"warning: it can't be judged, and is waited for: {error.message}")
                away = error.message
            else:
                away = ""
                if isinstance(found, CanaryRun):
                    return found
                self.progress.done(judgement_line(found, self.now(), self.within))
            self.pause(self.every_s)

    def _look(self, run: CanaryRun, log: CanaryLog) -> CanaryEvaluation | CanaryRun:
        """Judge the canary; one that is over, by this look or by another judge, is returned as it has ended."""
        state = self.workspace.state()
        same = next(one for one in state.canaries if (one.model, one.number) == (run.model, run.number))
        if same.state != "running":
            return same
        judged = judge_seen(self.workspace, look_at(same, log, self.now()), _COMMAND)
        if judged.run.state == "running" and self.within is not None and self.now() >= run.started_at + self.within:
            judged = give_up(self.workspace, judged, _late(judged, self.within), _COMMAND)
        return judged if judged.run.state == "running" else judged.run


def _late(seen: CanaryEvaluation, within: timedelta) -> str:
    """Return why a canary is aborted that did not end by itself."""
    run, length = seen.run, format_duration(within // timedelta(microseconds=1))
    reason = f"not over within {length}: {seen.verdict.reason}"
    if _is_asked(seen):
        return reason
    return f"{reason}; nobody has asked for {run.model} in {run.environment}: is featurectl serve running there?"


def _is_asked(seen: CanaryEvaluation) -> bool:
    """Return whether anybody has asked for the model since the canary began."""
    return seen.figures.champion.requests + seen.figures.challenger.requests > 0


def judgement_line(found: CanaryEvaluation, now: datetime, within: timedelta | None = None) -> str:
    """Return what a look at a running canary has found: requests, what does not hold yet, and the time left.

    It is aborted when it is not over `within` a time after its beginning.
    """
    run, verdict = found.run, found.verdict
    left_us = _whole_us(ends_at(run) - now)
    aborted_us = 0 if within is None else _whole_us(run.started_at + within - now)
    missing = [f"{item.name} {item.measured} (asked: {item.asked})" for item in verdict.criteria if not item.holds]
    parts = [
        f"{found.figures.challenger.requests:,} of {least_requests(run):,} requests",
        *(missing if _is_asked(found) else [f"no request for it is in the log of {run.environment} yet"]),
        f"{format_age(left_us)} left" if left_us > 0 else verdict.reason,
        *([f"aborted in {format_age(aborted_us)} unless it is over by then"] if aborted_us > 0 else []),
    ]
    return f"{run.model} version {run.challenger}: {'; '.join(parts)}"


def _whole_us(length: timedelta) -> int:
    return int(length.total_seconds()) * SECOND_US
