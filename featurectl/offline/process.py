"""Which process it is that does something, and whether it is still there: found out by another one, later."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from featurectl.core.host import HOST

_PROC: Final = Path("/proc")
_BEGAN: Final = 19  # the place of starttime in /proc/PID/stat, counted from the state, which is 0
_DEAD: Final = "ZX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of a machine. Numbers are given again, so that of the process is one only together with the rest.

    `space`: the process namespace (a container has one of its own) · `boot`: since which start of the machine ·
    `began`: when it began, in ticks since then. These are empty where the system has no /proc.
    """

    host: str
    pid: int
    space: str = ""
    boot: str = ""
    began: str = ""


def this_process() -> Process:
    """Return the process that asks."""
    return _described(os.getpid())


def is_alive(process: Process) -> bool | None:
    """Return whether a process is still there; None for one of another machine or container: nobody here can see it."""
    here = this_process()
    if (process.host, process.space) != (here.host, here.space) or process.pid <= 0:
        return None
    if process.boot != here.boot:
        return False
    state, began = _stat(process.pid)
    if not state:  # there is none, or the system shows only the own ones
        return _answers(process.pid)
    return state not in _DEAD and began == process.began


@lru_cache(maxsize=1)
def _described(pid: int) -> Process:
    space, boot = "", ""
    with suppress(OSError):
        space = str((_PROC / "self/ns/pid").readlink())
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return Process(host=HOST, pid=pid, space=space, boot=boot, began=_stat(pid)[1])


def _stat(pid: int) -> tuple[str, str]:
    """Return the state of a process and when it began; twice nothing when there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return "", ""
    after = text.rpartition(")")[2].split()  # its name stands in brackets, and may hold some itself
    return after[0], after[_BEGAN]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has so large a number
        return False
    except OSError:  # it is somebody else's
        return True
    return True
