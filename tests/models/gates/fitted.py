"""Models with properties: fitted on rows made for it, and what gates look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from featurectl.language.definitions.model import Trainer
from featurectl.models.fit import fit_model
from featurectl.models.gates.base import Champion
from featurectl.models.gates.evidence import evidence_of_fitted
from featurectl.models.split import Examples
from featurectl.registry.state import BoundFeature

START = datetime(2024, 1, 1, tzinfo=UTC)
LIGHTGBM = Trainer(
    estimator="lightgbm.LGBMClassifier",
    params={"n_estimators": 20, "num_threads": 1, "verbose": -1, "deterministic": True},
    split_fraction=0.5,
    seed=7,
)
LOGISTIC = replace(LIGHTGBM, estimator="sklearn.linear_model.LogisticRegression", params={})
LINEAR = replace(LIGHTGBM, estimator="sklearn.linear_model.LinearRegression", params={})


def number(name: str, default: float | None = None) -> BoundFeature:
    return BoundFeature(name=name, dtype="float64", model_dtype="float64", default=default)


def category(name: str) -> BoundFeature:
    return BoundFeature(name=name, dtype="string", model_dtype="category")


def made(rows: int = 2_000, seed: int = 1, noise: float = 1.0) -> pl.DataFrame:
    """Rows with x, which tells of the label y what `noise` leaves of it, z, which tells nothing, and kind, a or b."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    label = x + rng.normal(size=rows) * noise > 0
    kind = rng.choice(["a", "b"], size=rows)
    return pl.DataFrame({"x": x, "z": rng.normal(size=rows), "kind": kind, "y": label})


def fitted(
    frame: pl.DataFrame, inputs: Sequence[BoundFeature], trainer: Trainer = LIGHTGBM, *, allow_pickle: bool = False
) -> Any:
    """A model of some columns of a frame, whose column y is the label."""
    time = pl.Series("t", [START + timedelta(hours=i) for i in range(frame.height)], dtype=pl.Datetime("us", "UTC"))
    rows = frame.select(item.name for item in inputs)
    examples = Examples(rows=rows, label=frame["y"], time=time)
    return fit_model(examples, inputs, trainer, allow_pickle=allow_pickle, model="m")


def looked(
    frame: pl.DataFrame,
    inputs: Sequence[BoundFeature],
    trainer: Trainer = LIGHTGBM,
    *,
    champion: Champion | None = None,
    allow_pickle: bool = False,
) -> Any:
    """The evidence of such a model."""
    return evidence_of_fitted(fitted(frame, inputs, trainer, allow_pickle=allow_pickle), trainer.seed, champion)


X = [number("x")]
