"""What this machine has, and what of it the stages that run have taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.language.definitions.pipelines import Resources

_LIMITS: Final = (  # of the container that this may be: files of version 2, then 1
    Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)  # fmt: skip
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_UNLIMITED: Final = 1 << 60
_ONE: Final = 1.0  # processor of a stage that says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Processors and bytes of memory."""

    cpu: float
    memory_bytes: int


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


class MachineRoom:
    """What is left of a machine. A stage that asks for more than there is runs when nothing else does."""

    def __init__(self, machine: Machine, most: int | None = None) -> None:
        self._machine, self._most = machine, most
        self._taken: dict[str, Machine] = {}

    def take(self, name: str, resources: Resources) -> bool:
        """Take what a stage needs; False where that is not free."""
        needed = self.needed(resources)
        cpu = sum(item.cpu for item in self._taken.values())
        memory = sum(item.memory_bytes for item in self._taken.values())
        fits = cpu + needed.cpu <= self._machine.cpu and memory + needed.memory_bytes <= self._machine.memory_bytes
        if not fits or (self._most is not None and len(self._taken) >= self._most):
            return False
        self._taken[name] = needed
        return True

    def give_back(self, name: str) -> None:
        """Take note that a stage has ended."""
        del self._taken[name]

    def needed(self, resources: Resources) -> Machine:
        """Return what a stage is taken to need, at most all that there is: one processor where it says nothing."""
        count = resources.replicas
        cpu = (_ONE if resources.cpu is None else resources.cpu) * count
        return Machine(
            cpu=min(cpu, self._machine.cpu),
            memory_bytes=min((resources.memory_bytes or 0) * count, self._machine.memory_bytes),
        )

    def lacks(self, resources: Resources) -> str:
        """Return what a stage asks for that the machine does not have, in words; "": nothing."""
        machine = self._machine
        cpu, memory = (resources.cpu or 0) * resources.replicas, (resources.memory_bytes or 0) * resources.replicas
        parts = []
        if cpu > machine.cpu:
            parts.append(f"{cpu:g} processors, of {machine.cpu:g} here")
        if memory > machine.memory_bytes:
            parts.append(f"{memory / 2**30:.1f} GiB of memory, of {machine.memory_bytes / 2**30:.1f} here")
        return " and ".join(parts)
