"""What this machine has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LIMITS: Final = (  # of the container that this may be: files of version 2, then 1
    Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)  # fmt: skip
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_UNLIMITED: Final = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Processors and bytes of memory."""

    cpu: float
    memory_bytes: int


NOTHING: Final = Machine(cpu=0.0, memory_bytes=0)


def this_machine() -> Machine:
    """Return what this process may use: of the machine, or of its container where that has limits."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for path in _LIMITS if 0 < (limit := _number(path)) < _UNLIMITED]
    return Machine(cpu=min([cores, *_quota()]), memory_bytes=min([memory, *limits]))


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # there is none, or it says "max"
        return 0


def _quota() -> list[float]:
    try:
        quota, period = _QUOTA.read_text().split()
        return [max(int(quota) / int(period), 0.1)]
    except (OSError, ValueError):
        return []
