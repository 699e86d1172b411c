"""What `train` keeps of a model, and who may load it."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest

from tests.model_shop import LIGHTGBM, objects, open_shop

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
    (*LIGHTGBM, "txt"),
    ("xgboost.XGBClassifier", "{n_estimators: 5, n_jobs: 1}", "ubj"),
    ("catboost.CatBoostClassifier", "{iterations: 5, thread_count: 1}", "cbm"),
    ("sklearn.ensemble.HistGradientBoostingClassifier", "{max_iter: 5, min_samples_leaf: 2}", "skops"),
    ("shop_rules:score", "{}", "py"),
    ("shop_rules.Mean", "{}", "pkl"),
]
CODE = ESTIMATORS[4:]
MEAN = objects("shop_rules.Mean", "{}", "true")


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    (tmp_path / "shop_rules.py").write_text(PYTHON)
    with open_shop(tmp_path, monkeypatch, capsys) as shop:
        yield shop
    sys.modules.pop("shop_rules", None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "params", "kind"), ESTIMATORS)
@pytest.mark.sample(1)
def test_a_model_is_trained_shown_scored_and_served_alike(shop, estimator, params, kind):
    code = kind in {"py", "pkl"}
    shop.make(objects(estimator, params, "true" if code else "false"))
    shop.run("train", "m", "--again")
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


@pytest.mark.parametrize(("estimator", "params"), [case[:2] for case in CODE])
def test_a_model_that_runs_code_is_not_trained_unless_it_may(shop, estimator, params):
    shop.make(objects(estimator, params))
    assert "error[FC514]: shop_rules" in shop.run("train", "m", "--again", code=1).err.replace(
        "this model is a Python function", "shop_rules"
    )
    assert not (shop.root / "off" / "models").exists()


@pytest.mark.sample(1)
@pytest.mark.parametrize(("estimator", "params", "kind"), CODE)
def test_a_model_that_runs_code_is_not_loaded_without_the_flag(shop, estimator, params, kind):
    shop.make(objects(estimator, params, "true"))
    shop.run("train", "m", "--again")
    sys.modules["shop_rules"].LOADED.clear()
    what = "a pickle" if kind == "pkl" else "a Python function"
    said = shop.run("score", "m", "--out", "x.csv", code=64).err
    assert said == f"error: this model is {what}, which runs code when it is loaded\n  = allow it: --allow-pickle\n"
    assert sys.modules["shop_rules"].LOADED == []


def test_a_pickle_in_place_of_a_model_is_not_loaded_though_both_allow_one(shop):
    shop.make(MEAN)
    shop.run("train", "m", "--again")
    sys.modules["shop_rules"].LOADED.clear()
    path = shop.root / "off" / shop.shown()["artifact"]
    path.write_bytes(path.read_bytes() + b"\0")
    said = shop.run("score", "m", "--out", "x.csv", "--allow-pickle", code=1).err
    assert "is not the file that was registered" in said
    assert sys.modules["shop_rules"].LOADED == []


@pytest.mark.long
def test_a_pickle_is_neither_compared_with_nor_promoted_without_the_flag(shop):
    shop.make(MEAN)
    text = (shop.root / "o.yaml").read_text()
    (shop.root / "o.yaml").write_text(f"{text}    gates: {{min_accuracy_gain_over_champion: 0}}\n")
    shop.run("apply", "--auto-approve")
    shop.run("train", "m", "--again")
    said = shop.run("train", "m", "--again", code=1).out
    assert "not measured: champion v1: this model is a pickle, which runs code when it is loaded" in said
    shop.run("train", "m", "--again", "--allow-pickle")
    sys.modules["shop_rules"].LOADED.clear()
    assert "allow it: --allow-pickle" in shop.run("models", "promote", "m@3", code=64).err
    assert sys.modules["shop_rules"].LOADED == []
    assert "m version 3 is the champion" in shop.run("models", "promote", "m@3", "--allow-pickle").out
