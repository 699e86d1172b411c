"""What `train` keeps of a model, and who may load it."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.models.served import check_golden, load_served
from featurectl.open import open_workspace
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: s, path: s.csv, event_time: at, columns: {k: string, at: timestamp, kind: string, qty: int64, amount: float64}}
feature_views:
  - {name: v, entity: key, source: s, features: [qty, kind, {name: half, expr: amount / 2}]}
models:
  - name: m
    spine: {source: s, time: at, label: {name: big, expr: amount > 20}}
    features: [{feature: "v:qty", as: q}, {feature: "v:half"}, {feature: "v:kind", as: c, type: category}]
    trainer: {estimator: "ESTIMATOR", params: PARAMS, validation: {split: time, fraction: 0.25}}
    allow_pickle: ALLOW
"""
PYTHON = """
import numpy as np
LOADED = []
def score(matrix):
    return np.nan_to_num(matrix[:, 1]) / 100
class Mean:
    def fit(self, matrix, label):
        self.mean = float(np.mean(label))
    def predict(self, matrix):
        return np.full(len(matrix), self.mean)
    def __setstate__(self, state):
        LOADED.append(1)
        self.__dict__.update(state)
"""
ESTIMATORS = [
    ("lightgbm.LGBMClassifier", "{n_estimators: 5, num_threads: 1, verbose: -1, min_child_samples: 2}", "txt"),
    ("xgboost.XGBClassifier", "{n_estimators: 5, n_jobs: 1}", "ubj"),
    ("catboost.CatBoostClassifier", "{iterations: 5, thread_count: 1}", "cbm"),
    ("sklearn.ensemble.HistGradientBoostingClassifier", "{max_iter: 5, min_samples_leaf: 2}", "skops"),
    ("shop_rules:score", "{}", "py"),
    ("shop_rules.Mean", "{}", "pkl"),
]
CODE = ESTIMATORS[4:]


class Shop:
    """A repository in the current folder with one model, trained."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys

    def make(self, estimator, params="{}", allow="false"):
        words = (("ESTIMATOR", estimator), ("PARAMS", params), ("ALLOW", allow))
        text = OBJECTS
        for mark, word in words:
            text = text.replace(mark, word)
        (self.root / "o.yaml").write_text(text)
        self.run("apply", "--auto-approve")
        self.run("materialize")

    def run(self, *words, code=0):
        self.capsys.readouterr()
        assert main([*words, "-q"]) == code
        return self.capsys.readouterr()

    def shown(self):
        return json.loads(self.run("models", "show", "m", "-o", "json").out)["result"]

    def served(self, *, allow_pickle):
        with open_workspace(self.root, "dev", None, "unread") as workspace:
            version = workspace.state().model_version("m", 1)
            location = workspace.offline_location()
        served = load_served(version, location, allow_pickle=allow_pickle)
        return served, check_golden(served, location)


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    rows = [
        f"k{i % 5},2026-01-0{1 + i // 10}T{i % 10:02}:00:00Z,{'ab'[i % 2]},{i % 7},{i * 1.1:.2f}" for i in range(40)
    ]
    (tmp_path / "s.csv").write_text("\n".join(["k,at,kind,qty,amount", *rows]) + "\n")
    (tmp_path / "featurectl.yaml").write_text(PROJECT.replace("2026-01-08", "2026-01-20"))
    (tmp_path / "shop_rules.py").write_text(PYTHON)
    yield Shop(tmp_path, capsys)
    sys.modules.pop("shop_rules", None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "params", "kind"), ESTIMATORS)
def test_a_model_is_trained_shown_scored_and_served_alike(shop, estimator, params, kind):
    code = kind in {"py", "pkl"}
    shop.make(estimator, params, "true" if code else "false")
    shop.run("train", "m")
    shown = shop.shown()
    assert shown["artifact_format"] == kind
    assert (shop.root / "off" / shown["golden"]).is_file()
    assert bool(shown["onnx"]) is not code
    text = shop.run("models", "show", "m").out
    assert shown["golden"] in text
    assert (shown["onnx_missing"] or shown["onnx_sha256"]) in text
    shop.run("score", "m", "--out", "scores.parquet", *(["--allow-pickle"] if code else []))
    scores = pl.read_parquet("scores.parquet").sort("at")["score"]
    served, count = shop.served(allow_pickle=code)
    assert served.format == (kind if code else "onnx")
    assert count == shown["rows_train"] == 30
    golden = json.loads((shop.root / "off" / shown["golden"]).read_text())
    assert golden["scores"] == pytest.approx(scores.to_list()[:30], abs=1e-6)


@pytest.mark.parametrize(("estimator", "params", "kind"), CODE)
def test_a_model_that_runs_code_is_not_trained_unless_it_may(shop, estimator, params, kind):
    shop.make(estimator, params, "false")
    assert "error[FC514]: shop_rules" in shop.run("train", "m", code=1).err.replace(
        "this model is a Python function", "shop_rules"
    )
    assert not (shop.root / "off" / "models").exists()


@pytest.mark.parametrize(("estimator", "params", "kind"), CODE)
def test_a_model_that_runs_code_is_not_loaded_without_the_flag(shop, estimator, params, kind):
    shop.make(estimator, params, "true")
    shop.run("train", "m")
    sys.modules["shop_rules"].LOADED.clear()
    what = "a pickle" if kind == "pkl" else "a Python function"
    said = shop.run("score", "m", "--out", "x.csv", code=64).err
    assert said == f"error: this model is {what}, which runs code when it is loaded\n  = allow it: --allow-pickle\n"
    assert sys.modules["shop_rules"].LOADED == []


def test_a_pickle_put_in_place_of_a_model_is_not_loaded_though_both_would_allow_one(shop):
    shop.make("shop_rules.Mean", allow="true")
    shop.run("train", "m")
    sys.modules["shop_rules"].LOADED.clear()
    path = shop.root / "off" / shop.shown()["artifact"]
    path.write_bytes(path.read_bytes() + b"\0")
    said = shop.run("score", "m", "--out", "x.csv", "--allow-pickle", code=1).err
    assert "is not the file that was registered" in said
    assert sys.modules["shop_rules"].LOADED == []


def test_a_pickle_is_neither_compared_with_nor_promoted_without_the_flag(shop):
    shop.make("shop_rules.Mean", allow="true")
    text = (shop.root / "o.yaml").read_text()
    (shop.root / "o.yaml").write_text(f"{text}    gates: {{min_accuracy_gain_over_champion: 0}}\n")
    shop.run("apply", "--auto-approve")
    shop.run("train", "m")
    said = shop.run("train", "m", code=1).out
    assert "not measured: champion v1: this model is a pickle, which runs code when it is loaded" in said
    shop.run("train", "m", "--allow-pickle")
    sys.modules["shop_rules"].LOADED.clear()
    assert "allow it: --allow-pickle" in shop.run("models", "promote", "m@3", code=64).err
    assert sys.modules["shop_rules"].LOADED == []
    assert "m version 3 is the champion" in shop.run("models", "promote", "m@3", "--allow-pickle").out
