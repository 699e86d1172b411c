"""What objects of several kinds say of themselves -> definitions."""

from __future__ import annotations

from featurectl.language.definitions.about import About, Freshness
from featurectl.language.shapes.entity import EntityShape
from featurectl.language.shapes.pipelines import DeploymentShape, PipelineShape
from featurectl.language.shapes.source import FreshnessShape, SourceShape


def about_of(shape: EntityShape | SourceShape | PipelineShape | DeploymentShape) -> About:
    """Return what people say of an object."""
    return About(description=shape.description, owner=shape.owner, tags=shape.tags)


def freshness_of(shape: FreshnessShape | None) -> Freshness | None:
    """Return the freshness that a shape asks for."""
    return Freshness(warn_after_us=shape.warn_after, error_after_us=shape.error_after) if shape else None
