"""How often a worker does what it does beside taking events."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from featurectl.language.definitions.stream import RETENTION_US
from featurectl.streaming.jobs_beside import Beside, run_at_once

_LOG_EVERY_S: Final = 5.0
_BEAT_EVERY_S: Final = 0.05
_BEAT_OF_PARTITION_S: Final = 0.001  # a heartbeat costs a server about 0.03 ms for each: decision 089
_KEEP_S: Final = RETENTION_US / 1_000_000
_MOST_UNLOGGED: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPace:
    """How often a worker does what it does beside taking events; `clock` gives seconds that only grow.

    Messages that are logged stay in the topic for `keep_s`: workers of another environment may read it as well.
    A commit to the log that came second is tried again after a part of `log_every_s`, as `random` (0 to 1) says. Tables
    are read and written by `beside`.
    """

    clock: Callable[[], float]
    wall_us: Callable[[], int]
    log_every_s: float = _LOG_EVERY_S
    beat_every_s: float = _BEAT_EVERY_S
    most_unlogged: int = _MOST_UNLOGGED
    keep_s: float = _KEEP_S
    random: Callable[[], float] = random.random
    beside: Beside = run_at_once
    sleep: Callable[[float], None] = time.sleep

    def beat_s(self, partitions: int) -> float:
        """Return how long it is from one heartbeat to the next: longer where it is of many partitions."""
        return max(self.beat_every_s, min(partitions * _BEAT_OF_PARTITION_S, _BEAT_EVERY_S))
