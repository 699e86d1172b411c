"""What a user of featurectl writes, for mypy alone: the types of calls are those that are documented."""

from __future__ import annotations

from typing import assert_type

import polars as pl

import featurectl
from featurectl.errors import FeaturectlError


def main() -> tuple[object, ...]:
    """Do what a notebook does, and return what came of it."""
    project = featurectl.open_project("shop", frames="pandas", progress=False)
    spine = pl.DataFrame({"customer": ["a"], "event_time": ["2026-01-01T00:00:00Z"]})

    training = project.training_set(features=["spend:*"], spine=spine)
    assert_type(training.rows, pl.DataFrame)
    assert_type(training.manifest, dict[str, object])
    assert_type(training.xy("bought")[0], pl.DataFrame)
    assert_type(project.get("spend", spine), pl.DataFrame)
    assert_type(project.get("spend", {"customer": "a"}), dict[str, object])
    names: list[str] = [item.name for item in project.list("views", select="tag:x")]
    states: list[str] = [row.verdict for row in project.status()]
    metrics: dict[str, float] = dict(project.train("big").metrics)
    least = [item.least for item in project.stats("spend:count_7d", sample=100)]
    changed: bool = project.models.promote("big@2").is_moved
    frame: pl.DataFrame = project.history().to_polars()
    try:
        project.apply(allow_breaking="spend")
    except FeaturectlError as error:
        message: str = error.hint
        return (message,)
    return names, states, metrics, least, changed, frame
