"""Let a server that a test has started hang: it keeps its port and its connections, and answers nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    """Stop a process of the test's own and all that it began; let them go on afterwards."""
    stopped: list[int] = []
    try:
        _stop(pid, stopped)
        yield
    finally:
        for each in reversed(stopped):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def _stop(pid: int, stopped: list[int]) -> None:
    """Stop a process first, so that it begins no other, then those below it; one that has ended is none."""
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                _stop(int(child), stopped)
