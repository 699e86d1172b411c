"""Lists that nobody writes are compacted as those are that grow, and lists that nobody reads are removed.

What was erased leaves them, too: a store may be a restored one, or a worker that did not know may have written some.

So are, first, those that have grown so long that a turn of the worker would be late by them.

One worker goes over all lists again and again, in a thread with connections of its own: a little at a time, and between
two pieces of work it waits so long that it takes a small share of a processor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.online.stream_state.base import Generation
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming.compaction_queue import CompactionQueue
from featurectl.streaming.erased_lists import ErasedLists
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.list_pass import ListPass
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.work_beside import WorkBeside
from featurectl.streaming.worker import WorkerStream

_SHARE: Final = 0.03  # of a processor
_LEAST_WAIT_S: Final = 0.005
_PASS_EVERY_S: Final = 300.0
_FIRST_PASS_S: Final = 1.0
_LOOK_S: Final = 0.1
_LOOK_AGAIN_S: Final = 0.5
_ERASES_S: Final = 60.0  # an erasure has mostly ended by then


@dataclass(slots=True, kw_only=True)
class QuietListCounts:
    """What was done with lists that nobody writes: seen, replaced or removed by compaction, of no generation."""

    seen: int = 0
    compacted: int = 0
    swept: int = 0
    passes: int = 0


class QuietLists(WorkBeside):
    """Goes over the lists of the views of a worker's source, and compacts those that its turns leave as too long.

    `on_problem` hears why lists were left as they are, once for each reason. `list_pass` is what a worker before has
    gone over, and is gone on with. `log` is the worker's: one that was restored, as it says, is cleaned before a pass.
    """

    def __init__(
        self,
        stream: WorkerStream,
        of_worker: CompactionQueue,
        on_problem: Callable[[FeaturectlError], None] = lambda _: None,
        list_pass: ListPass | None = None,
        log: LogWriter | None = None,
    ) -> None:
        super().__init__("quiet lists")
        self._pass_over = list_pass or ListPass()
        self._of_worker = of_worker
        self._place, self._state, self._views = stream.place, stream.state, stream.views
        self._records = GenerationRecords(stream.place, stream.state, stream.views, EventDecoder(stream.source))
        self._erased = ErasedLists(erased=stream.erased, views=stream.views, layout=self._records.layout)
        self._on_clean = stream.on_clean
        self._source, self._stream_erased, self._log = stream.source, stream.erased, log
        self._on_problem, self._reported = on_problem, ""
        self._long = CompactionQueue(self._records.layout, at_once=1)  # of the worker, for one thread at a time
        self._lock = threading.Lock()
        self._next_look_s = 0.0
        self._waits_since_s: float | None = None
        self.counts = QuietListCounts()
        self.problem: FeaturectlError | None = None  # why the last pass was left

    def go_over(self) -> Iterator[None]:
        """Go over all lists once, and yield after each small piece of work; what was gone over before is left out.

        Raises:
            StoreError: the store can't be used now, or a list holds what no worker has written.
        """
        connection = self._state.connect(self._place)
        try:
            views = dict.fromkeys([*self._views, *connection.register.read_state().views])
            for removed in self._state.sweeping(self._place, [*views]):  # first: it gives back memory
                self.counts.swept += removed
                yield
            for view in views:
                live = connection.register.read_state().live(view)
                if live is not None and view in self._views:
                    yield from self._compacted(connection, live)
                    if self._erased.until(view) is not None:
                        self._on_clean(view)
        finally:
            connection.close()
        self._pass_over.end()
        self.counts.passes += 1

    def _compacted(self, connection: StreamConnection, live: Generation) -> Iterator[None]:
        queue = CompactionQueue(self._records.layout)
        broken: StoreError | None = None
        for some in self._pass_over.some(live, lambda: self._state.walk_lists(self._place, live)):
            self._erased.remove_keys(connection, live.view, some)
            queue.add(live, some)
            self.counts.seen += len(some)
            try:
                self.counts.compacted += queue.work_off(connection)
            except StoreError as error:
                if error is not queue.broken:
                    raise  # the store fails
                broken = broken or error  # a list is broken: the others were compacted
            yield
        self.problem = broken or self.problem

    def compact_long(self) -> int:
        """Compact the lists that the turns of the worker left, and return how many were; say which are read by now.

        Raises:
            StoreError: the store can't be used now, or a list holds what no worker has written.
        """
        with self._lock:
            self._take_long()
            if not (len(self._long) or self._long.holds_some or self._of_worker.holds_some):
                return 0
            with closing(self._state.connect(self._place)) as connection:
                register = connection.register.read_state()
                self._of_worker.hear(register)
                self._long.hear(register)
                return self._long.work_off(connection)

    def _take_long(self) -> bool:
        """Take from the worker what is very long, and return whether something was."""
        taken = self._of_worker.take_apart()
        for generation, entity in taken:
            self._long.add(generation, [entity])
        return bool(taken)

    def clean_log(self, waited_s: float = 0.0) -> None:
        """Remove rows of erased keys that a restored log has; what was erased `waited_s` ago, who erases it removes.

        Raises:
            StoreError: the log can't be read or written.
            TryAgainError: others write it without a pause.
        """
        if self._log is not None and self._stream_erased.number / 1_000_000 < time.time() - waited_s:
            self._log.clean_restored(self._source, self._stream_erased)

    def end_once(self, *, cleans_log: bool) -> None:
        """Do what nobody else does where each worker ends soon: compact long lists, and clean a log that was restored.

        Raises:
            As `clean_log`.
        """
        if cleans_log:
            self.clean_log()
        self.compact_all()

    def can_end(self, now_s: float, patience_s: float) -> bool:
        """Return whether a worker that ends soon has no lists in mind that somebody is making.

        Nobody may compact them before they are read: that is waited for `patience_s` from the first look on.

        Raises:
            StoreError: the store can't be used now.
        """
        if not self._awaits():
            return True
        self._waits_since_s = now_s if self._waits_since_s is None else self._waits_since_s
        return now_s - self._waits_since_s >= patience_s

    def _awaits(self) -> bool:
        """Return whether lists are being made that wait to be compacted, or very long ones are being compacted."""
        if not self._lock.acquire(blocking=False):
            return True
        try:
            with closing(self._state.connect(self._place)) as connection:
                register = connection.register.read_state()
            return self._of_worker.awaits(register) or self._long.awaits(register)
        finally:
            self._lock.release()

    def compact_all(self) -> None:
        """Compact what the turns of the worker left, before it ends: nobody else does so where each worker ends soon.

        What can't be compacted now is left: it is seen again when it grows.
        """
        with suppress(FeaturectlError), self._lock, closing(self._state.connect(self._place)) as connection:
            self._take_long()
            for queue in (self._long, self._of_worker):
                self.counts.compacted += queue.end(connection)

    def work(self, is_mine: Callable[[], bool]) -> None:
        """Compact long lists as they come, and go over all again and again."""
        next_s = time.monotonic() + _FIRST_PASS_S
        while not self.ends.wait(_LOOK_S):
            with suppress(FeaturectlError):  # the list is seen again when it grows, or by the next pass
                self._look()
            if is_mine() and time.monotonic() >= next_s:
                self._pass(is_mine)
                self._tell()
                next_s = time.monotonic() + _PASS_EVERY_S

    def _look(self) -> None:
        """Compact long lists as they come; whether others can be compacted by now is looked at more seldom."""
        with self._lock:
            is_new = self._take_long()
        if is_new or time.monotonic() >= self._next_look_s:
            self._next_look_s = time.monotonic() + _LOOK_AGAIN_S
            self.compact_long()

    def _tell(self) -> None:
        """Tell why lists were left as they are, once for each reason."""
        before, self._reported = self._reported, "" if self.problem is None else self.problem.message
        if self.problem is not None and self._reported != before:
            self._on_problem(self.problem)

    def _pass(self, is_mine: Callable[[], bool]) -> None:
        self.problem = None
        begun_s = time.monotonic()
        try:
            self.clean_log(_ERASES_S)
            for _ in self.go_over():
                took_s = time.monotonic() - begun_s
                if self.ends.wait(max(_LEAST_WAIT_S, took_s * (1 / _SHARE - 1))) or not is_mine():
                    return
                self._look()
                begun_s = time.monotonic()
        except FeaturectlError as error:
            self.problem = error
