"""One run of a pipeline at a time: a lease in the registry for all machines, and a lock of a file for this one."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.disk_room import hint_of, sqlite_failure
from featurectl.core.errors import FeaturectlError, RunningError, StoreError
from featurectl.offline.process import Process, is_alive, this_process

if TYPE_CHECKING:
    from featurectl.registry.base import RunLeases

RENEW_S: Final = 10.0  # a third of a lease
_WAIT_S: Final = 20.0  # for the stages of a killed run: longer than they are given to end
_POLL_S: Final = 0.1
_SAID_AFTER: Final = 3  # looks: who has just got the lock says so first
_MOST_BYTES: Final = 10_000  # of what the holder of a lock says of itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RunClaim:
    """Which pipeline is to be run, in which environment, and by whom."""

    pipeline: str
    environment: str
    holder: str


def lease_key(project: str, environment: str, pipeline: str) -> str:
    """Return under which name the registry has the lease of a pipeline; no project is called so.

    >>> lease_key("flights", "prod", "nightly")
    'flights/pipelines/prod/nightly'
    """
    return f"{project}/pipelines/{environment}/{pipeline}"


class PipelineLease:
    """The lease of a running pipeline, renewed by a thread until it is given back.

    A registry that can't be reached for a while is no reason to end: only a lease that another run has taken is. Its
    ID is kept in a file beside the lock of this machine: who holds that lock knows that the process of the ID is gone.
    """

    def __init__(self, leases: RunLeases, key: str, holder: str, kept: Path) -> None:
        self._leases, self._key, self._holder, self._kept = leases, key, holder, kept
        self._over = threading.Event()
        self.id = ""
        self.lost = ""  # who has it now

    def take(self) -> None:
        """Take it, also from a run of this machine that was killed.

        Raises:
            RunningError: another run has it.
            StoreError: the registry can't be written, or the disk.
        """
        dead = self._kept.read_text().split() if self._kept.exists() else []
        self.id = uuid.uuid4().hex[:12]
        with _written(self._kept):
            self._kept.write_text(" ".join([*dead, self.id]))  # this process may end before it has it
        self._leases.take(self._key, self._holder, self.id, dead)
        with suppress(OSError):  # a run behind one that is killed waits until its lease ends, then
            self._kept.write_text(self.id)
        threading.Thread(target=self._renew, daemon=True).start()

    def give_back(self) -> None:
        """Give it back; where the registry can't be reached it ends by itself."""
        self._over.set()
        self._leases.end(self._key, self.id)

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            try:
                self.lost = self._leases.renew(self._key, self.id)
            except FeaturectlError:
                continue
            if self.lost:
                return


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Say in a sentence why a file can't be written.

    Raises:
        StoreError: it can't be.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} can't be written: {sqlite_failure(error)}", hint=hint_of(error)) from error


@contextmanager
def machine_lock(path: Path, claim: RunClaim, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock of a pipeline on this machine, and give its descriptor; guards of stages hold it on.

    So that of a run that was killed is free when its last stage is gone; `waiting` is called before that is waited for.
    A run that goes on is not: its process stands in the file.

    Raises:
        RunningError: another run goes on here, or what one has left does not end.
        StoreError: its file can't be made.
    """
    with _written(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, claim, waiting)
        with _written(path):
            since = f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            said = {"process": asdict(this_process()), "holder": f"{claim.holder}, {since}"}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(said).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, claim: RunClaim, waiting: Callable[[], None]) -> None:
    end, looks = time.monotonic() + _WAIT_S, 0
    look = f"featurectl pipeline show {claim.pipeline} --env {claim.environment}"
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if holder := _holder(descriptor):
                message = f"pipeline {claim.pipeline} is run by {holder}"
                raise RunningError(message, hint=f"{look} tells how far it is") from None
            if time.monotonic() > end:
                message = f"stages that a killed run of pipeline {claim.pipeline} has left go on on this machine"
                raise RunningError(message, hint=f"{look} tells which") from None
        else:
            return
        looks += 1
        if looks == _SAID_AFTER:
            waiting()
        time.sleep(_POLL_S)


def _holder(descriptor: int) -> str:
    """Return who runs the pipeline, where that process is there; "": it is gone, or has not said so yet."""
    try:
        said = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
        process, holder = Process(**said["process"]), str(said["holder"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""
    return holder if is_alive(process) else ""
