"""A model card and its charts, as a person reads them."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

from featurectl.core.units import DAY_US
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About
from featurectl.language.definitions.model import Label, Model, Spine, Trainer
from featurectl.language.definitions.source import Source
from featurectl.models.card import CardParts, render_card
from featurectl.models.charts import draw_calibration, draw_charts, draw_importance, draw_roc
from featurectl.models.fit import fit_model
from featurectl.registry.state import BoundFeature, GateResult, ModelVersion
from tests.models.test_fit import examples

FOLDER = Path(__file__).parent / "golden"
ORDERS = Source(name="orders", format="parquet", path="orders.parquet", event_time="at")
TRAINER = Trainer(estimator="sklearn.tree.DecisionTreeClassifier", params={"max_depth": 2, "criterion": "gini"}, seed=7)
MODEL = Model(
    name="late",
    spine=Spine(
        source=ORDERS, time="at", label=Label(name="is_late", expression=Expression("delay > 15"), dtype="bool")
    ),
    inputs=(),
    trainer=TRAINER,
    about=About(description="Will it be late?", owner="ops@example.com", tags=("core",)),
)
INPUTS = [
    BoundFeature(name="x", dtype="float64", model_dtype="float64", view="v", view_version=2, feature="x", default=0.5),
    BoundFeature(name="kind", dtype="string", model_dtype="category"),
    BoundFeature(name="gone", dtype="float64", model_dtype="float64"),
]


def assert_golden(name, text):
    """Compare with a file; GOLDEN=write writes it again, for a person to read the difference."""
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"GOLDEN=write writes {name} again"


@pytest.fixture(scope="module")
def fitted():
    data = examples()
    more = {"kind": pl.Series([f"k|{i % 15:02}" for i in range(400)]), "gone": pl.Series([None] * 399 + [1.0])}
    return fit_model(
        replace(data, rows=data.rows.with_columns(**more)), INPUTS, TRAINER, allow_pickle=False, model="late"
    )


def version_of(fitted, **more):
    plain = {
        "model": "late", "version": 0, "definition": {}, "inputs": fitted.form.inputs, "view_versions": {"v": 2},
        "table_versions": {"v@2": 14}, "params": {"estimator": TRAINER.estimator, "params": TRAINER.params},
        "metrics": {"auc": 0.75, "accuracy": 0.5}, "label": "is_late", "rows_train": 300, "rows_validation": 100,
        "artifact": "models/late/ab.skops", "artifact_format": "skops", "artifact_bytes": 2048,
        "artifact_sha256": "ab" * 32, "libraries": {"featurectl": "0.1.0", "scikit-learn": "1.9"},
        "code_commit": "3f2c1ab", "seed": 7, "created_at": datetime(2026, 1, 8, tzinfo=UTC),
        "onnx": "models/late/cd.onnx", "importance": {"x": 0.75, "kind": 0.25, "gone": 0.0},
        "gates": (
            GateResult(name="min_auc", asked="at least 0.6", measured="0.75"),
            GateResult(name="max_latency_p99_ms", asked="at most 1", measured="2.5", passed=False),
        ),
    }  # fmt: skip
    return ModelVersion(**{**plain, **more})


def test_a_card_tells_what_a_version_is_for_made_of_and_how_good_it_is(fitted):
    charts = {"ROC": "ef.svg", "Importance": "01.svg"}
    parts = CardParts(version=version_of(fitted), model=MODEL, fitted=fitted, charts=charts)
    assert_golden("card.md", render_card(parts))


def test_a_card_of_little_leaves_out_what_there_is_not(fitted):
    ahead = Label(name="gone", expression=None, dtype=None, source=ORDERS, op="count", horizon_us=30 * DAY_US)
    model = Model(name="late", spine=replace(MODEL.spine, label=ahead), inputs=())
    version = version_of(
        fitted, metrics={}, gates=(), onnx="", onnx_missing="onnx is not installed", importance={}, code_commit="",
        rows_validation=0, table_versions={}, params={"estimator": None, "run": "python train.py", "params": {}},
    )  # fmt: skip
    bare = replace(fitted, warnings=(), validation_from=None)
    assert_golden("card_of_little.md", render_card(CardParts(version=version, model=model, fitted=bare, charts={})))


def test_charts_are_drawn_as_they_were():
    label = np.array([0, 0, 1, 0, 1, 1, 1, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.9, 0.95])
    assert_golden("roc.svg", draw_roc(label, scores))
    assert_golden("calibration.svg", draw_calibration(label * 20.0 - 5, scores * 20))
    assert_golden("importance.svg", draw_importance({"a <b>": 0.25, "c": 0.7, "d": 0.05}))


@pytest.mark.parametrize("seed", range(3))
def test_charts_are_xml_and_fit_the_task(seed):
    rng = np.random.default_rng(seed)
    label, scores = rng.integers(0, 2, 1_000), rng.random(1_000)
    importance = {f"f{i}": 1 / 50 for i in range(50)}
    drawn = draw_charts(label, scores, "binary", importance)
    assert list(drawn) == ["ROC", "Calibration", "Importance"]
    assert all(ET.fromstring(svg).tag.endswith("svg") for svg in drawn.values())  # noqa: S314  # our own document
    assert drawn["ROC"].count(",") < 1_000  # points
    assert list(draw_charts(np.ones(9), scores[:9], "binary", {})) == ["Calibration"]
    assert list(draw_charts(label * 3, scores, "classes", importance)) == ["Importance"]
    assert draw_charts(np.empty(0), np.empty(0), "binary", {}) == {}
    assert draw_charts(label, np.full(1_000, np.nan), "binary", {}) == {}


def test_the_area_under_the_drawn_curve_is_the_auc():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 150)
    scores = (label + rng.normal(size=150)).round(1)
    line = ET.fromstring(draw_roc(label, scores)).find("{http://www.w3.org/2000/svg}polyline")  # noqa: S314  # our own document
    points = np.array([[float(v) for v in pair.split(",")] for pair in line.get("points").split()])
    x, y = (points[:, 0] - 50) / 300, 1 - (points[:, 1] - 50) / 300
    from featurectl.models.metrics import auc

    assert np.trapezoid(y, x) == pytest.approx(auc(label, scores), abs=2e-3)
