"""What of this machine the stages that run have taken, those of other runs with them."""

from __future__ import annotations

from typing import Final

from featurectl.language.definitions.pipelines import Resources
from featurectl.pipelines.ledger import SharedLedger
from featurectl.pipelines.machine import NOTHING, Machine

_PATIENCE_S: Final = 1.0  # with another run that reads or writes what is taken
_ONE: Final = 1.0  # processor of a stage that says nothing


class MachineRoom:
    """What is left of a machine, where other runs say in a ledger what they have.

    A stage that asks for more than there is runs when nothing else does. At most `most` stages run at a time.
    """

    def __init__(self, machine: Machine, most: int | None = None, ledger: SharedLedger | None = None) -> None:
        self._machine, self._most, self._ledger = machine, most, ledger
        self._taken: dict[str, Machine] = {}

    def take(self, name: str, resources: Resources) -> bool:
        """Take what a stage needs; False where that is not free."""
        if self._most is not None and len(self._taken) >= self._most:
            return False
        needed = self.needed(resources)
        if self._ledger is None:
            return self._take(name, needed, NOTHING)
        with self._ledger.others() as others:
            fits = others is not None and self._take(name, needed, others)
            if fits:
                self._ledger.claim(self._total())
        return fits

    def _take(self, name: str, needed: Machine, others: Machine) -> bool:
        own = self._total()
        cpu = own.cpu + others.cpu + needed.cpu
        memory = own.memory_bytes + others.memory_bytes + needed.memory_bytes
        fits = cpu <= self._machine.cpu and memory <= self._machine.memory_bytes
        if fits:
            self._taken[name] = needed
        return fits

    def _total(self) -> Machine:
        taken = self._taken.values()
        return Machine(cpu=sum(item.cpu for item in taken), memory_bytes=sum(item.memory_bytes for item in taken))

    def give_back(self, name: str) -> None:
        """Take note that a stage has ended."""
        del self._taken[name]
        if self._ledger is not None:
            with self._ledger.others(_PATIENCE_S):
                self._ledger.claim(self._total())

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
