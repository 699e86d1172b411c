"""What the runs of pipelines on this machine have taken of it, in a file that they share: of one user, any projects.

A run that is gone has taken nothing: its process is looked for.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from featurectl.offline.process import Process, is_alive, this_process
from featurectl.pipelines.machine import NOTHING, Machine

_POLL_S: Final = 0.02


def machine_ledger() -> Path:
    """Return the file of this user on this machine."""
    return Path(tempfile.gettempdir()) / f"featurectl-{os.getuid()}" / "pipelines.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    process: Process
    taken: Machine


class SharedLedger:
    """The claims of all runs in a file; one that can't be written, or is somebody else's, holds nobody up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def others(self, wait_s: float = 0.0) -> Iterator[Machine | None]:
        """Give what other runs have taken; none of them takes more until the body ends.

        None: another one is just at it, perhaps stopped there, and was waited for.
        """
        with self._locked(wait_s) as claims:
            yield None if claims is None else _sum(claims)

    def claim(self, taken: Machine) -> None:
        """Write what this run has taken by now; nothing, where it has ended. Within the body of `others`, or alone."""
        try:
            claims = [*self._read(), _Claim(process=this_process(), taken=taken)]
            rows = [asdict(claim) for claim in claims if claim.taken != NOTHING]
            half = self._path.with_suffix(".half")
            half.write_text(json.dumps(rows))
            half.replace(self._path)
        except OSError:
            return

    @contextmanager
    def _locked(self, wait_s: float) -> Iterator[list[_Claim] | None]:
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            is_ours = self._path.parent.stat().st_uid == os.getuid() and not self._path.parent.is_symlink()
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600) if is_ours else -1
        except OSError:
            lock = -1
        if lock < 0:
            yield []
            return
        try:
            yield self._read() if _is_taken(lock, wait_s) else None
        finally:
            os.close(lock)

    def _read(self) -> list[_Claim]:
        """Return the claims of other runs that are alive."""
        try:
            rows = json.loads(self._path.read_text())
            claims = [_Claim(process=Process(**row["process"]), taken=Machine(**row["taken"])) for row in rows]
        except (OSError, ValueError, TypeError, KeyError):
            return []
        others = (claim for claim in claims if claim.process != this_process())
        return [claim for claim in others if is_alive(claim.process)]


def _is_taken(lock: int, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)
        else:
            return True


def _sum(claims: list[_Claim]) -> Machine:
    return Machine(
        cpu=sum(claim.taken.cpu for claim in claims), memory_bytes=sum(claim.taken.memory_bytes for claim in claims)
    )
