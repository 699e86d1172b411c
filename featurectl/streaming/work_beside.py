"""What goes on beside a worker, in a thread with connections of its own, so that no turn is late by it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class WorkBeside:
    """A thread beside a worker's: whoever derives from it says in `work` what is done until `ends` is set."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._fault: Exception | None = None
        self.ends = threading.Event()

    def work(self, is_mine: Callable[[], bool]) -> None:
        """Work until `ends` is set; `is_mine` says whether it is this worker that does what one alone is to do."""
        raise NotImplementedError

    def start(self, is_mine: Callable[[], bool]) -> None:
        """Begin; `is_mine` is that of `work`."""
        self._thread = threading.Thread(target=self._run, args=(is_mine,), name=self._name, daemon=True)
        self._thread.start()

    def close(self, limit_s: float | None = None) -> None:
        """Stop, after the piece of work that is under way, for which it is waited so many seconds; None: to its end."""
        self.ends.set()
        if self._thread is not None:
            self._thread.join(limit_s)

    def check(self) -> None:
        """Raise what has ended the thread, if it is no error of the store: a fault of our own."""
        if self._fault is not None:
            raise self._fault

    def _run(self, is_mine: Callable[[], bool]) -> None:
        try:
            self.work(is_mine)
        except Exception as error:  # noqa: BLE001 (the worker's thread raises it)
            self._fault = error
