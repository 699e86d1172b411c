"""The language, as it is written: which lists a file may hold, and the shape of their items."""

from __future__ import annotations

from typing import Final

from featurectl.spec.model_operations import AlertShape, NotifierShape, PipelineShape
from featurectl.spec.model_source import EntityShape, ProjectShape, SourceShape
from featurectl.spec.model_training import ModelShape
from featurectl.spec.model_view import FeatureTestShape, FeatureViewShape
from featurectl.spec.shape import ObjectShape

LISTS: Final[dict[str, type[ObjectShape]]] = {
    "entities": EntityShape,
    "sources": SourceShape,
    "feature_views": FeatureViewShape,
    "models": ModelShape,
    "tests": FeatureTestShape,
    "pipelines": PipelineShape,
    "alerts": AlertShape,
    "notifiers": NotifierShape,
}
PROJECT: Final[type[ProjectShape]] = ProjectShape
