"""Pipelines, and what runs for long, as they are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from featurectl.language.definitions.about import NOTHING_SAID, About


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a stage or a deployment needs: processors, bytes of memory, graphics processors; None: it does not say.

    `replicas` are the parts that a stage is cut into, which run at a time.
    """

    cpu: float | None = None
    memory_bytes: int | None = None
    gpu: int | None = None
    replicas: int = 1


NO_RESOURCES: Final = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStage:
    """A step of a pipeline: one command of featurectl, without the name of the program.

    It runs when the stages that it `needs` have succeeded; `retries` are the times that it is tried again. `on_success`
    and `on_failure` are names of notifiers.
    """

    name: str
    run: str
    needs: tuple[str, ...] = ()
    timeout_us: int | None = None
    retries: int = 0
    resources: Resources = NO_RESOURCES
    on_success: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Stages in the order of the file; `schedule` has cron's five fields, in UTC, "": nobody runs it by itself."""

    name: str
    stages: tuple[PipelineStage, ...]
    schedule: str = ""
    about: About = NOTHING_SAID


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """How many of a deployment run: from `least` to `most`, as many as keep to a share of their processors, `cpu`."""

    least: int = 1
    most: int = 1
    cpu: float | None = None


ONE: Final = Replicas()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A command that runs for long."""

    name: str
    run: str
    replicas: Replicas = ONE
    resources: Resources = NO_RESOURCES
    about: About = NOTHING_SAID
