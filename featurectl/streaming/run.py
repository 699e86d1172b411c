"""A worker runs: turn after turn, through times when the store or the broker is away, until it is stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.streaming.list_pass import ListPass
from featurectl.streaming.log_writer import LogLostError
from featurectl.streaming.partition_start import topic_ends
from featurectl.streaming.quiet_lists import QuietLists
from featurectl.streaming.rebuilds import Rebuilds
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import NoTopicError, RetentionError, TopicRestartedError
from featurectl.streaming.work_beside import WorkBeside
from featurectl.streaming.worker import StreamWorker

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 5.0
_SOON_S: Final = 0.5  # between two writings of the log, while new lists wait for it
_LOOK_S: Final = 0.2  # between two looks whether all is logged
_ENDS_S: Final = 5.0  # so long a worker that was stopped waits for the log, and what it needs before, all together
_ENDS_BESIDE_S: Final = 1.0  # and for what goes on beside it
_GLANCE: Final = TakeLimits(messages=1, timeout_s=0.05)
FATAL: Final = (NoTopicError, RetentionError, TopicRestartedError, LogLostError)  # waiting mends none of them


class StopSignal(Protocol):
    """What tells a worker to stop, as `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether it is to stop."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds at most, and return whether it is to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a worker runs: `once`, it ends when all that was there at its beginning is logged, by whomever.

    Where it has made lists long that others are making it waits for them before, for `patience_s` at most.
    `is_ending` says whether one that is stopped ends for good: then what does not answer is waited for a few seconds.

    `on_problem` hears why a turn failed, once for each reason, and None when the turns go on; `on_quiet` why lists that
    nobody writes were left as they are; `list_pass` is how far such lists were gone over by the worker before. A worker
    that runs `once` gives up when nothing has gone on for `patience_s`.
    """

    limits: TakeLimits
    clock: Callable[[], float]
    on_problem: Callable[[StoreError | None], None]
    on_quiet: Callable[[FeaturectlError], None] = lambda _: None
    list_pass: ListPass | None = None
    once: bool = False
    is_ending: Callable[[], bool] = lambda: False
    patience_s: float = 30.0


def run_worker(worker: StreamWorker, rebuilds: Rebuilds, stop: StopSignal, options: RunOptions) -> None:
    """Let a worker run until it is stopped, or has seen all; what it has taken is logged then.

    Raises:
        StoreError: the topic is not there, was made again, or has lost what was not read: nothing is skipped silently.
            With `once` also what kept it from going on for long.
        DataError: with `once`, a history can't be read; what was taken is logged.
    """
    quiet = QuietLists(worker.stream, worker.compaction, options.on_quiet, options.list_pass, worker.log)
    rebuilds.start(lambda: 0 in worker.readings)
    quiet.start(lambda: 0 in worker.readings and not options.once)
    trouble, looked_s, hurried_s = _Trouble(options), options.clock(), options.clock()
    wanted: Mapping[str, int] | None = None
    try:
        while not stop.is_set():
            rebuilds.check()
            quiet.check()
            try:
                if options.once and wanted is None:
                    wanted = topic_ends(worker.topic)
                worker.turn_begun_s = time.monotonic()
                worker.step(options.limits)
                if rebuilds.is_waiting and options.clock() - hurried_s >= _SOON_S:
                    hurried_s = options.clock()
                    worker.begin_to_log()
                if wanted is not None and options.clock() - looked_s >= _LOOK_S:
                    looked_s = options.clock()
                    if _has_all(worker, wanted, rebuilds) and quiet.can_end(looked_s, options.patience_s):
                        quiet.end_once(cleans_log=0 in worker.readings)
                        return
                beside = rebuilds.problem or _prediction_problem(worker, rebuilds, once=options.once)
            except FATAL as error:
                raise _with_others(error, worker) from None
            except StoreError as error:
                stop.wait(trouble.hear(error, worker))
                continue
            trouble.end(beside, worker)
    finally:
        _end(worker, [quiet, rebuilds], is_hurried=options.is_ending())


def _with_others(error: StoreError, worker: StreamWorker) -> StoreError:
    """Return an error that ends a worker; where messages are gone, it names other partitions of which some are, too.

    As far as the broker says so at once.
    """
    if not isinstance(error, RetentionError):
        return error
    reader, found, last = worker.topic.reader, dict[int, RetentionError](), error
    while last.partition not in found:
        found[last.partition] = last
        reader.pause([last.partition])
        try:
            reader.take(_GLANCE)  # what it brings is taken again: the worker ends
        except RetentionError as another:
            last = another
        except StoreError:
            break
    reader.resume(found)
    return error.with_others([*found.values()][1:])


def _end(worker: StreamWorker, beside: Sequence[WorkBeside], *, is_hurried: bool) -> None:
    """Have a worker end, and what goes on beside it; one that is hurried waits some seconds for what does not answer.

    Raises:
        As `StreamWorker.close`.
    """
    worker.turn_begun_s = time.monotonic()
    for each in beside:
        each.close(_ENDS_BESIDE_S if is_hurried else None)
    worker.close(_ENDS_S if is_hurried else math.inf)


class _Trouble:
    """How long turns have failed, and how long it is waited for the next one."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._wait_s, self._reported, self._well_s = _FIRST_WAIT_S, "", options.clock()

    def hear(self, error: StoreError, worker: StreamWorker) -> float:
        """Return how long to wait after a turn that failed; of a run that has to end it is raised at last.

        A log that can't be written is tried again every few seconds: events are taken meanwhile, as long as there is
        room.
        """
        self._report(error)
        self._give_up(error)
        if error is worker.log_error and not worker.is_full:
            return 0.0
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, _LONGEST_WAIT_S)
        return wait_s

    def end(self, beside: FeaturectlError | None, worker: StreamWorker) -> None:
        """Take note of a turn that went well, though lists, or predictions, can't be made where that has a reason."""
        if worker.log_fails:  # which is tried again every few seconds
            return
        if (silent := worker.logging.problem) is not None:
            self._report(silent)
            self._give_up(silent)
            return
        if beside is None:
            self._well_s = self._options.clock()
        else:
            self._give_up(beside)
        if self._reported:
            self._reported, self._wait_s = "", _FIRST_WAIT_S
            self._options.on_problem(None)

    def _report(self, error: StoreError) -> None:
        if self._reported != error.message:
            self._reported = error.message
            self._options.on_problem(error)

    def _give_up(self, error: FeaturectlError) -> None:
        if self._options.once and self._options.clock() - self._well_s >= self._options.patience_s:
            raise error


def _prediction_problem(worker: StreamWorker, rebuilds: Rebuilds, *, once: bool) -> FeaturectlError | None:
    """Return why predictions do not go on, None where all that they wait for are lists that are being made.

    Raises:
        StoreError: the store can't be read now.
    """
    problem = worker.predictor.problem
    if problem is None or not once or not worker.predictor.is_blocked:
        return problem
    are_made = not rebuilds.is_settled if 0 in worker.readings else not rebuilds.are_readable()
    return None if are_made else problem


def _has_all(worker: StreamWorker, wanted: Mapping[str, int], rebuilds: Rebuilds) -> bool:
    """Return whether the log has all offsets before those that are wanted, predicted, and all views can be read."""
    if worker.unlogged or not rebuilds.is_settled:  # a rebuild waits for the log
        worker.write_log()
    if not worker.predictor.is_settled or worker.messages.is_under_way:
        return False
    if _is_lacking(worker, wanted):
        worker.write_log()  # which may lack nothing but that events have their predictions
        return False
    if rebuilds.problem is not None and not isinstance(rebuilds.problem, StoreError):
        raise rebuilds.problem  # such as a history that can't be read: waiting does not mend it
    return rebuilds.is_settled or (0 not in worker.readings and rebuilds.are_readable())


def _is_lacking(worker: StreamWorker, wanted: Mapping[str, int]) -> bool:
    predicted = worker.log.predicted_ends()
    return any(predicted.get(name, 0) < end for name, end in wanted.items())
