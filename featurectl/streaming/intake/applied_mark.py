"""Whether workers have applied what a topic had at a moment: it is in every answer from then on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.online.stream_state.base import RegisterState
from featurectl.online.stream_state.protocols import StreamState
from featurectl.streaming.intake.delivery import IntakePlace
from featurectl.streaming.topics.base import TopicBroker

POLL_S: Final = 0.01
_READERS_S: Final = 0.02  # of a Cluster servers read as of what its register said 10 ms ago at most


class AppliedMark:
    """What a topic had at a moment: where each partition ended, by the name that the register has for it."""

    def __init__(self, ends: Mapping[str, int]) -> None:
        self._ends = ends
        self._least_asof: int | None = None
        self._reached_s: float | None = None

    def is_reached(self, register: RegisterState, now_s: float) -> bool:
        """Return whether all of it is in the answers of readers, at an instant of the monotonic clock.

        Once all is in the lists, no stamp of it is later than the last one given by then.
        """
        if self._least_asof is None:
            done = {of.name: of.done for of in register.partitions}
            if any(done.get(name, 0) < end for name, end in self._ends.items()):
                return False
            self._least_asof = register.last
        if register.asof < self._least_asof:
            return False
        if self._reached_s is None:
            self._reached_s = now_s
        return now_s - self._reached_s >= _READERS_S


def mark_of(broker: TopicBroker, topic: str) -> AppliedMark:
    """Return what a topic has now.

    Raises:
        StoreError: the broker is away.
    """
    from featurectl.streaming.retirement import state_name  # which loads what reads the log

    state = broker.state(topic)
    marks = broker.watermarks(topic).items()
    return AppliedMark({state_name(state, number): of.end for number, of in marks if of.end > of.begin})


class AppliedWatch:
    """Waits for many: a thread that asks the broker once for those that came together, and the register for all."""

    def __init__(self, place: IntakePlace, open_state: Callable[[], StreamState]) -> None:
        self._place = place
        self._open_state = open_state
        self._new: list[Future[bool]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def wait(self) -> Future[bool]:
        """Return what is True once all that the topic has by now is applied; who waits no more cancels it."""
        future: Future[bool] = Future()
        with self._changed:
            self._new.append(future)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"applied-{self._place.topic}", daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def close(self) -> None:
        """Wait no more; the thread ends by itself."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _run(self) -> None:
        """Watch; one that can't go on is begun anew for who comes next."""
        try:
            with suppress(FeaturectlError):
                self._watch()
        finally:
            with self._changed:
                self._thread = None

    def _watch(self) -> None:
        with closing(self._place.open_broker()) as broker, closing(self._open_state()) as state:
            waiting: list[tuple[Future[bool], AppliedMark]] = []
            while (new := self._take(is_idle=not waiting)) is not None:
                waiting = [(future, mark) for future, mark in waiting if not future.cancelled()]
                with suppress(FeaturectlError):  # whoever waits does so until its own time is over
                    if new:
                        mark = mark_of(broker, self._place.topic)
                        waiting += [(future, mark) for future in new]
                        new = []
                    waiting = self._look(state, waiting)
                if new:
                    with self._changed:
                        self._new += [future for future in new if not future.cancelled()]
                time.sleep(POLL_S)

    def _look(
        self, state: StreamState, waiting: list[tuple[Future[bool], AppliedMark]]
    ) -> list[tuple[Future[bool], AppliedMark]]:
        """Answer those whose mark is reached, and return the others."""
        register = state.read_register(self._place.stream)
        left = []
        for future, mark in waiting:
            if not mark.is_reached(register, time.monotonic()):
                left.append((future, mark))
            elif future.set_running_or_notify_cancel():
                future.set_result(True)
        return left

    def _take(self, *, is_idle: bool) -> list[Future[bool]] | None:
        """Return those that are new; waits for one where nobody else does. None: it is closed."""
        with self._changed:
            while is_idle and not self._new and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return None
            new, self._new = self._new, []
        return new
