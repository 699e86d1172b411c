"""The language, as it is written: which lists a file may hold, and the shape of their items."""

from __future__ import annotations

from typing import Final

from featurectl.language.shapes.alerts import AlertShape, NotifierShape
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.entity import EntityShape
from featurectl.language.shapes.pipelines import DeploymentShape, PipelineShape
from featurectl.language.shapes.project import ProjectShape
from featurectl.language.shapes.source import SourceShape
from featurectl.language.shapes.training import ModelShape
from featurectl.language.shapes.view import FeatureTestShape, FeatureViewShape

LISTS: Final[dict[str, type[ObjectShape]]] = {
    "entities": EntityShape,
    "sources": SourceShape,
    "feature_views": FeatureViewShape,
    "models": ModelShape,
    "tests": FeatureTestShape,
    "pipelines": PipelineShape,
    "deployments": DeploymentShape,
    "alerts": AlertShape,
    "notifiers": NotifierShape,
}
PROJECT: Final[type[ProjectShape]] = ProjectShape
