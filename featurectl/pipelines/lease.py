"""One run of a pipeline at a time: a lease in the registry for all machines, and a lock of a file for this one."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.disk_room import hint_of, sqlite_failure
from featurectl.core.errors import FeaturectlError, StoreError, TryAgainError

if TYPE_CHECKING:
    from featurectl.registry.base import RunLeases

RENEW_S: Final = 10.0  # a third of a lease
_WAIT_S: Final = 20.0  # for the stages of a killed run: longer than they are given to end
_POLL_S: Final = 0.1


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
            TryAgainError: another run has it.
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
def machine_lock(path: Path, pipeline: str, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock of a pipeline on this machine, and give its descriptor; guards of stages hold it on.

    So that of a run that was killed is free when its last stage is gone; `waiting` is called before that is waited for.

    Raises:
        TryAgainError: it is held all the time: another run goes on here.
        StoreError: its file can't be made.
    """
    with _written(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, pipeline, waiting)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, pipeline: str, waiting: Callable[[], None]) -> None:
    end, said = time.monotonic() + _WAIT_S, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise TryAgainError(
                    f"another run of pipeline {pipeline}, or stages that it has left, goes on on this machine",
                    hint=f"featurectl pipeline show {pipeline} tells which",
                ) from None
        else:
            return
        if not said:
            waiting()
            said = True
        time.sleep(_POLL_S)
