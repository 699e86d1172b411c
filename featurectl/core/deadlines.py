"""Deadlines of many things that wait in one event loop, with one timer: most are over long before they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_STEP_S: Final = 0.01  # between two looks at all that waits: what is due meanwhile waits for the next


class Deadlines(Generic[T]):
    """Calls `expire` with what has been added and not been taken out, when it is due by the clock of the loop."""

    def __init__(self, expire: Callable[[T], None]) -> None:
        self._expire = expire
        self._due_s: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    def __contains__(self, waiting: T) -> bool:
        return waiting in self._due_s

    def add(self, waiting: T, due_s: float) -> None:
        """Have something expire, unless it is taken out before."""
        self._due_s[waiting] = due_s
        if self._timer is None or due_s < self._timer_s:
            self._wake(due_s)

    def remove(self, waiting: T) -> None:
        """Take something out; it may have expired."""
        self._due_s.pop(waiting, None)

    def _wake(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = asyncio.get_running_loop().call_at(at_s, self._look), at_s

    def _look(self) -> None:
        """Let expire what is due, and look again when the next one is."""
        self._timer, now_s = None, asyncio.get_running_loop().time()
        due = [waiting for waiting, due_s in self._due_s.items() if due_s <= now_s]
        for waiting in due:
            if self._due_s.pop(waiting, None) is not None:
                self._expire(waiting)
        if self._due_s:
            self._wake(max(min(self._due_s.values()), now_s + _STEP_S))
