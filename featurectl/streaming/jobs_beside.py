"""Jobs that wait for disks, buckets and brokers: done in a thread that neither a turn nor the end of a process awaits.

A job that hangs holds up those behind it, and nobody else. A pool of `concurrent.futures` would be waited for when the
process ends, however long that takes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

BesideJob = Callable[[], object]
Beside = Callable[[BesideJob], "Future[Any]"]  # begins a job, and returns at once


def run_at_once(job: BesideJob) -> Future[Any]:
    """Do a job here and now."""
    done: Future[Any] = Future()
    _do(job, done)
    return done


class JobsBeside:
    """Does jobs in the order in which they are begun, one at a time, in a thread that ends when none is left."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waiting: deque[tuple[BesideJob, Future[Any]]] = deque()
        self._is_at_work = False

    def begin(self, job: BesideJob) -> Future[Any]:
        """Begin a job, or let it wait for those before it."""
        done: Future[Any] = Future()
        with self._lock:
            self._waiting.append((job, done))
            is_idle, self._is_at_work = not self._is_at_work, True
        if is_idle:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return done

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_at_work = False
                    return
                job, done = self._waiting.popleft()
            _do(job, done)


def _do(job: BesideJob, done: Future[Any]) -> None:
    try:
        found = job()
    except BaseException as error:  # noqa: BLE001 (whoever asks for the result gets it)
        done.set_exception(error)
    else:
        done.set_result(found)
