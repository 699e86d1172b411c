"""The language, as it is written: pipelines."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.values import (
    Duration,
    Listed,
    Name,
    Some,
    Text,
    Whole,
)


class ResourcesShape(ObjectShape):
    """What a stage needs."""

    what: ClassVar[str] = "resources"
    cpu: Text | None = Field(None, description="How many processors.", examples=["4"])
    memory: Text | None = Field(None, description="How much memory.", examples=["16Gi"])
    gpu: Text | None = Field(None, description="How many graphics processors.", examples=["1"])
    replicas: Whole | None = Field(None, description="How many run at a time.")


class StageShape(ObjectShape):
    """A step of a pipeline: one command of featurectl."""

    what: ClassVar[str] = "stage"
    name: Name = Field(description="The stage's name in its pipeline.")
    run: Text = Field(description="The command, without `featurectl`.", examples=["materialize", "push"])
    needs: Listed[Name] = Field((), description="The stages that must have succeeded before.")
    timeout: Duration | None = Field(None, description="How long it may take.")
    retries: Whole = Field(0, description="How often it is tried again; not at all when left out.")
    resources: ResourcesShape | None = Field(None, description="What it needs to run.")
    on_success: Listed[Name] = Field((), description="The notifiers to tell when it succeeded.")
    on_failure: Listed[Name] = Field((), description="The notifiers to tell when it failed.")


class PipelineShape(ObjectShape):
    """Commands that depend on each other, run together."""

    what: ClassVar[str] = "pipeline"
    name: Name = Field(description="The pipeline's name.")
    stages: Some[StageShape] = Field(description="Its steps; `needs` orders them.")
    schedule: Text | None = Field(None, description="When it runs, in cron's five fields.", examples=["0 */6 * * *"])
