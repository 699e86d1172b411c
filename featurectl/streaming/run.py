"""A worker runs: turn after turn, through times when the store or the broker is away, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import StoreError
from featurectl.streaming.partition_start import topic_ends
from featurectl.streaming.rebuilds import Rebuilds
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import NoTopicError, RetentionError, TopicRestartedError
from featurectl.streaming.worker import StreamWorker

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 5.0
_LOOK_S: Final = 0.2  # between two looks whether all is logged
FATAL: Final = (NoTopicError, RetentionError, TopicRestartedError)  # waiting mends none of them


class StopSignal(Protocol):
    """What tells a worker to stop, as `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether it is to stop."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds at most, and return whether it is to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a worker runs: `once`, it ends when all that was there at its beginning is logged, by whomever.

    `on_problem` hears why a turn failed, once for each reason, and None when the turns go on. A worker that runs `once`
    gives up when nothing has gone on for `patience_s`.
    """

    limits: TakeLimits
    clock: Callable[[], float]
    on_problem: Callable[[StoreError | None], None]
    once: bool = False
    patience_s: float = 30.0


def run_worker(worker: StreamWorker, rebuilds: Rebuilds, stop: StopSignal, options: RunOptions) -> None:
    """Let a worker run until it is told to stop, or has seen all; what it has taken is logged then.

    Raises:
        StoreError: the topic is not there, was made again, or has lost what was not read: nothing is skipped silently.
            With `once` also what kept it from going on for long.
        DataError: with `once`, a history can't be read; what was taken is logged.
    """
    rebuilds.start(lambda: 0 in worker.readings)
    wait_s, told, looked_s = _FIRST_WAIT_S, "", options.clock()
    gone_on_s = looked_s
    wanted: Mapping[str, int] | None = None
    try:
        while not stop.is_set():
            rebuilds.check()
            try:
                if options.once and wanted is None:
                    wanted = topic_ends(worker.topic)
                worker.step(options.limits)
                if wanted is not None and options.clock() - looked_s >= _LOOK_S:
                    looked_s = options.clock()
                    if _has_all(worker, wanted, rebuilds):
                        return
            except FATAL:
                raise
            except StoreError as error:
                if told != error.message:
                    told = error.message
                    options.on_problem(error)
                if options.once and options.clock() - gone_on_s >= options.patience_s:
                    raise
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            if rebuilds.problem is None:
                gone_on_s = options.clock()
            elif options.once and options.clock() - gone_on_s >= options.patience_s:
                raise rebuilds.problem
            if told:
                told, wait_s = "", _FIRST_WAIT_S
                options.on_problem(None)
    finally:
        rebuilds.close()
        worker.close()


def _has_all(worker: StreamWorker, wanted: Mapping[str, int], rebuilds: Rebuilds) -> bool:
    """Return whether the log has all offsets before those that are wanted, and all views can be read."""
    if worker.unlogged or not rebuilds.is_settled:  # a rebuild waits for the log
        worker.write_log()
    logged = worker.log.ends()
    if any(logged.get(name, 0) < end for name, end in wanted.items()):
        return False
    if rebuilds.problem is not None and not isinstance(rebuilds.problem, StoreError):
        raise rebuilds.problem  # such as a history that can't be read: waiting does not mend it
    return rebuilds.is_settled or (0 not in worker.readings and rebuilds.are_readable())
