"""How long a pipeline may take, by the timeouts of its stages."""

from __future__ import annotations

from typing import Final

from featurectl.core.units import SECOND_US
from featurectl.language.definitions.pipelines import Pipeline, Resources

_BETWEEN_S: Final = 60  # for the start of a stage, and the wait before it is tried again


def deadline_s(pipeline: Pipeline) -> int | None:
    """Return the seconds after which no stage can run any more, one after the other; None: a stage has no timeout."""
    total = 0
    for stage in pipeline.stages:
        if stage.timeout_us is None:
            return None
        total += (seconds_of(stage.timeout_us) + _BETWEEN_S) * (1 + stage.retries)
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
