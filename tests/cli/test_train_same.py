"""`train` on equal data, code and parameters makes no version, unless it is asked to."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest

from tests.cli.train_shop import LIGHTGBM, ROWS, SCRIPT, make_shop


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return make_shop(tmp_path, capsys)


def versions_of(shop):
    return [item["version"] for item in shop.json("models", "list")["versions"]]


def test_what_is_made_of_the_same_is_trained_once(shop):
    shop.make()
    assert shop.json("train", "m")["new"]
    shop.rows(ROWS[:2], "later.csv", "k,at,amount")  # which this model does not read
    shop.make(owner=("owner: ana", "owner: ben"))
    said = shop.run("train", "m").out
    assert said.startswith(
        "m: the same as version 1: data, code and parameters are equal\n"
        "nothing was trained; featurectl train m --again trains it all the same\n"
    )
    assert "m version 1 is the champion." in said
    again = shop.json("train", "m")
    assert (again["new"], again["version"], again["aliases"], versions_of(shop)) == (False, 1, ["champion"], [1])
    assert (shop.json("train", "m", "--again")["version"], versions_of(shop)) == (2, [2, 1])
    assert shop.json("train", "m")["version"] == 1  # of the two the champion
    assert "--from-version trains again anyway" in shop.run("train", "m", "--again", "--from-version", "1", code=64).err


@pytest.mark.parametrize("other", ["rows", "label", "parameter", "seed", "input", "missing"])
def test_what_is_made_of_anything_else_is_another_version(shop, other):
    shop.make()
    shop.run("train", "m")
    if other == "rows":
        shop.rows([*ROWS, "k1,2026-01-06T00:00:00Z,a,1,30"])
    changes = {
        "label": ("amount > 20", "amount > 21"),
        "parameter": ("n_estimators: 5", "n_estimators: 6"),
        "seed": ("seed: 7", "seed: 8"),
        "input": ("as: q, default: 0", "as: q, default: 1"),
        "missing": ("owner: ana", "owner: ana\n    missing: {no_row: reject}"),
    }
    shop.make(**({other: changes[other]} if other in changes else {}))
    assert (shop.json("train", "m")["version"], versions_of(shop)) == (2, [2, 1])


def test_a_version_without_one_of_its_files_is_trained_again(shop):
    shop.make()
    shop.run("train", "m")
    [onnx] = shop.root.rglob("*.onnx")
    onnx.unlink()
    assert (shop.json("train", "m")["version"], versions_of(shop)) == (2, [2, 1])


def gates(most):
    return ("owner: ana", f"owner: ana\n    gates: {{max_auc: {most}}}")


def test_the_gates_of_now_are_asked_of_a_version_that_is_the_same(shop):
    shop.make(gates=gates(1))
    shop.run("train", "m")
    shop.make(gates=gates(0.1))
    said = shop.run("train", "m", code=1).out
    assert "m: the same as version 1" in said
    assert re.search(r"max_auc +FAIL +at most 0.1", said)
    assert versions_of(shop) == [1]
    shop.make(LIGHTGBM.replace("seed: 7", "seed: 9"), gates=gates(0.1))
    for _ in range(2):
        shop.run("train", "m", code=1)
    assert versions_of(shop) == [2, 1]
    shop.make(LIGHTGBM.replace("seed: 7", "seed: 9"))
    assert shop.json("train", "m")["status"] == "registered"  # what was rejected is not what passes now
    assert versions_of(shop) == [3, 2, 1]


@pytest.mark.long
def test_code_of_ones_own_is_looked_at(shop, monkeypatch):
    run = shlex.join([sys.executable, "fit.py"])
    (shop.root / "fit.py").write_text(f"import part\n{SCRIPT}")
    (shop.root / "part.py").write_text("")
    (shop.root / "packages" / "nameless-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(shop.root / "packages")
    shop.make(LIGHTGBM.replace("estimator: lightgbm.LGBMClassifier", f"run: {json.dumps(run)}"))
    for part, count in [("", 1), ("", 1), ("SEED = 1\n", 2), ("SEED = 1\n", 2)]:
        (shop.root / "part.py").write_text(part)
        shop.run("train", "m")
        assert len(versions_of(shop)) == count
    shop.make(LIGHTGBM.replace("estimator: lightgbm.LGBMClassifier", 'run: "true"'))
    said = shop.run("train", "m", code=1).err
    assert "left no model in FEATURECTL_OUT" in said


def test_a_run_of_a_pipeline_goes_on_with_the_newest_version(shop, monkeypatch):
    shop.make()
    shop.run("train", "m")
    monkeypatch.setenv("FEATURECTL_RUN_ID", "nightly/1")
    assert shop.json("train", "m")["version"] == 1
    shop.make(LIGHTGBM.replace("seed: 7", "seed: 8"))
    shop.run("train", "m")
    shop.make()
    assert shop.json("train", "m")["version"] == 3
