"""Check a command that writes against the clocks of what it writes to: nothing is computed as of the future by mistake.

A value is found from the instant on as of which it was computed, by the clocks of those who read; the clock that they
share is the store's. So an instant later than that, by more than clocks may differ, is refused, be it of `--as-of` or
of a machine whose clock is ahead; and where that is ahead by less, the instant is the store's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import DataError, StoreError, UsageError
from featurectl.core.progress import Progress
from featurectl.core.units import format_age, format_iso
from featurectl.core.variables import shown_location
from featurectl.online.future_pushes import CLOCKS_DIFFER, latest_at, moving
from featurectl.workspace.plain_registry import read_registry_clock

if TYPE_CHECKING:
    from featurectl.online.base import Bound
    from featurectl.workspace.workspace import Workspace

_HINT: Final = "such values hide what is newer until then; --allow-future where that is meant"
_NONE: Final = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreClock:
    """The time by a store's clock, whose it is, and by this machine's right before and right after it was read."""

    of: str
    time: datetime
    before: datetime
    after: datetime

    @property
    def ahead(self) -> timedelta:
        """How far this machine's clock is ahead at least; less than nothing: how far it is behind."""
        return max(self.before - self.time, _NONE) or min(self.after - self.time, _NONE)

    def both(self) -> str:
        """Return what both clocks say, and whose is ahead."""
        length = format_age(abs(self.ahead) // timedelta(microseconds=1))
        order = f"{length} ahead of" if self.ahead > _NONE else f"{length} behind"
        here = f"{socket.gethostname()}, {_second(self.before)}"
        return f"the clock of this machine ({here}) is {order} that of {self.of} ({_second(self.time)})"


def read_clock(of: str, clock: Callable[[], datetime]) -> StoreClock:
    """Return a store's clock beside this machine's."""
    before = datetime.now(UTC)
    time = clock()
    return StoreClock(of=of, time=time, before=before, after=datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCheck:
    """Which stores' clocks a now is checked against, and what there is to do beside setting a clock right.

    `allow_future`: an instant that they have not reached is meant.
    """

    registry: bool = False
    online: bool = False
    allow_future: bool = False
    hint: str = _HINT


def check_clocks(workspace: Workspace, check: ClockCheck, progress: Progress) -> None:
    """Check that stores' clocks have reached now, unless it is `now:` of the environment; else correct it.

    A machine that is a little ahead takes the store's time. That one is far behind is a warning.

    Raises:
        UsageError: FC526, `--as-of` is later than a clock. DataError: FC526, this machine's clock is ahead.
    """
    if workspace.as_of is None and workspace.environment.now is not None:
        return
    ahead = _NONE
    for clock in _clocks(workspace, registry=check.registry, online=check.online):
        if workspace.as_of is not None:
            if not check.allow_future:
                _check_not_later(workspace.as_of, clock, check.hint)
        elif not check.allow_future and clock.ahead > CLOCKS_DIFFER:
            raise DataError(clock.both(), code="FC526", hint=f"set it right; {check.hint}")
        elif clock.ahead < -CLOCKS_DIFFER:
            progress.done(f"warning: {clock.both()}; it sees nothing that became known since")
        elif clock.ahead <= CLOCKS_DIFFER:
            ahead = max(ahead, clock.ahead)
    workspace.turn_back(ahead)


def check_not_future(workspace: Workspace, hint: str) -> None:
    """Check that `--as-of` is no instant that the registry's clock has not reached.

    Raises:
        UsageError: FC526, it is.
    """
    if workspace.as_of is not None:
        _check_not_later(
            workspace.as_of, read_clock(_registry(workspace), partial(read_registry_clock, workspace)), hint
        )


def warn_of_clocks(workspace: Workspace, progress: Progress) -> None:
    """Say where this machine's clock, by which ages are counted, is far from that of the online store."""
    if workspace.as_of is not None or workspace.environment.now is not None or not workspace.environment.online:
        return
    for clock in _clocks(workspace, registry=False, online=True):
        if abs(clock.ahead) > CLOCKS_DIFFER:
            progress.done(f"warning: {clock.both()}: ages are by the clock of this machine")


def _check_not_later(as_of: datetime, clock: StoreClock, hint: str) -> None:
    ahead = as_of - clock.time
    if ahead > CLOCKS_DIFFER:
        length = format_age(ahead // timedelta(microseconds=1))
        message = f"--as-of {format_iso(as_of)} is {length} after the clock of {clock.of} ({_second(clock.time)})"
        raise UsageError(message, code="FC526", hint=hint)


def _clocks(workspace: Workspace, *, registry: bool, online: bool) -> Iterator[StoreClock]:
    """Yield the clocks of stores; of one that can't be reached none: that is an error when it is written."""
    if registry:
        yield read_clock(_registry(workspace), partial(read_registry_clock, workspace))
    if online:
        with suppress(StoreError):
            yield read_clock(
                f"the online store {shown_location(workspace.environment.online)}", workspace.online().clock
            )


def _registry(workspace: Workspace) -> str:
    return f"the registry {shown_location(workspace.environment.registry)}"


def _second(instant: datetime) -> str:
    return format_iso(instant.replace(microsecond=0))


def latest_run(workspace: Workspace) -> datetime:
    """Return the latest instant as of which an offline table can rightly have been computed."""
    return _latest(workspace, read_registry_clock(workspace))


def latest_push(workspace: Workspace) -> Bound:
    """Return what gives, as time goes on, the latest instant as of which something can rightly have been pushed."""
    return moving(_latest(workspace, workspace.online().clock()))


def _latest(workspace: Workspace, clock: datetime) -> datetime:
    return latest_at(max(clock, workspace.environment.now or clock))
