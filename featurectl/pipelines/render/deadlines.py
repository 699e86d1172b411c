"""How long a pipeline may take, by the timeouts of its stages."""

from __future__ import annotations

import math
from typing import Final

from featurectl.core.units import SECOND_US
from featurectl.language.definitions.pipelines import Pipeline, Resources
from featurectl.pipelines.retries import longest_wait_s

_AROUND_ATTEMPT_S: Final = 60  # for the start of a stage, and from TERM to KILL at its end
_AROUND_RUN_S: Final = 180  # for stages of a run before that was killed, the last messages, the last record


def deadline_s(pipeline: Pipeline) -> int | None:
    """Return the seconds after which a run that had the machine to itself is over, its stages one after the other.

    They are all attempts of each, with the longest waits between them. None: a stage has no timeout.
    """
    total = _AROUND_RUN_S
    for stage in pipeline.stages:
        if stage.timeout_us is None:
            return None
        total += (seconds_of(stage.timeout_us) + _AROUND_ATTEMPT_S) * (1 + stage.retries)
        total += math.ceil(sum(longest_wait_s(attempt) for attempt in range(1, stage.retries + 1)))
    return total


def seconds_of(length_us: int) -> int:
    """Return whole seconds, not less than a duration."""
    return -(-length_us // SECOND_US)


def largest(pipeline: Pipeline) -> Resources:
    """Return what each stage has enough of when it runs alone: all of its parts, which run at a time."""
    found = [stage.resources for stage in pipeline.stages]
    return Resources(
        cpu=max((item.cpu * item.replicas for item in found if item.cpu), default=None),
        memory_bytes=max((item.memory_bytes * item.replicas for item in found if item.memory_bytes), default=None),
        gpu=max((item.gpu * item.replicas for item in found if item.gpu), default=None),
    )
