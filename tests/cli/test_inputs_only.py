"""`training-set --inputs-only`, and what is said of the columns of a training set."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.cli.train_shop import make_shop


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return make_shop(tmp_path, capsys)


def test_a_training_set_may_hold_the_inputs_and_the_label_alone(shop):
    shop.make()
    inputs = ["q", "half", "c"]
    said = shop.run("training-set", "m", "--out", "o.csv").out
    assert said.splitlines()[1:4] == ["inputs: q, half, c", "label: big", "others: k, at, kind, qty, amount"]
    whole = json.loads(Path("o.csv.manifest.json").read_text())
    assert whole["others"] == ["k", "at", "kind", "qty", "amount"]
    said = shop.run("training-set", "m", "--out", "i.csv", "--inputs-only").out.splitlines()
    assert said == ["i.csv: 40 rows, 4 columns, 3 of them inputs", "inputs: q, half, c", "label: big"]
    alone = pl.read_csv("i.csv")
    assert alone.equals(pl.read_csv("o.csv").select(*inputs, "big"))
    made = json.loads(Path("i.csv.manifest.json").read_text())
    assert (made["columns"], made["others"], sorted(made["null_rates"])) == (alone.columns, [], sorted(alone.columns))
    words = ["training-set", "--from-manifest", "i.csv.manifest.json", "--out", "j.csv"]
    shop.run(*words)
    assert Path("j.csv").read_bytes() == Path("i.csv").read_bytes()
    assert "says itself" in shop.run(*words, "--inputs-only", code=64).err
