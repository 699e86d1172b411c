"""A repository with one model and its rows, for tests of `train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: s, path: s.csv, event_time: at, columns: {k: string, at: timestamp, kind: string, qty: int64, amount: float64}}
  - {name: later, path: later.csv, event_time: at, columns: {k: string, at: timestamp, amount: float64}}
feature_views:
  - {name: v, entity: key, source: s, features: [qty, kind, {name: half, expr: amount / 2}]}
models:
  - name: m
    description: Is the order big?
    owner: ana
    spine: {source: s, time: at, label: {name: big, expr: amount > 20}}
    features: [{feature: "v:qty", as: q, default: 0}, {feature: "v:half"}, {feature: "v:kind", as: c, type: category}]
    trainer: {TRAINER}
"""  # noqa: E501  # lines of a file or a screen
LIGHTGBM = (
    "estimator: lightgbm.LGBMClassifier, "
    "params: {n_estimators: 5, num_threads: 1, verbose: -1, min_child_samples: 2}, seed: 7"
)
HEAD = "k,at,kind,qty,amount"
ROWS = [f"k{i % 5},2026-01-0{1 + i // 10}T{i % 10:02}:00:00Z,{'ab'[i % 2]},{i % 7},{(i * 7) % 44}" for i in range(40)]
SCRIPT = """
import json, os, pathlib
import numpy as np, polars as pl
from featurectl.models.isolation.worker import import_alone
import_alone("lightgbm")
import lightgbm
rows = pl.read_parquet(os.environ["FEATURECTL_TRAINING_SET"])
manifest = json.loads(pathlib.Path(os.environ["FEATURECTL_MANIFEST"]).read_text())
columns = []
for item in manifest["inputs"]:
    column = rows[item["name"]]
    if item["type"] == "category":
        codes = {value: code for code, value in enumerate(item["categories"])}
        column = column.replace_strict(codes, default=None, return_dtype=pl.Float32)
    columns.append(column.cast(pl.Float32).fill_null(float("nan")).to_numpy())
X, y = np.column_stack(columns), rows[manifest["label"]].cast(pl.Int64).to_numpy()
print("fitting", len(X), "of", manifest["training_set"]["rows"])
names = [item["name"] for item in manifest["inputs"]]
params = {"objective": "binary", "seed": int(os.environ["FEATURECTL_SEED"]), **manifest["params"]}
model = lightgbm.train(params, lightgbm.Dataset(X, y, feature_name=names, categorical_feature=[2]))
pathlib.Path(os.environ["FEATURECTL_OUT"], "model.txt").write_text(model.model_to_string())
"""


class Shop:
    """A repository in the current folder with one model."""

    def __init__(self, root: Path, capsys: Any) -> None:
        self.root, self.capsys = root, capsys

    def make(self, trainer: str = LIGHTGBM, **change: tuple[str, str]) -> None:
        text = OBJECTS.replace("TRAINER", trainer)
        for old, new in change.values():
            text = text.replace(old, new)
        (self.root / "o.yaml").write_text(text)
        self.run("apply", "--auto-approve")
        self.run("materialize")

    def rows(self, rows: list[str], path: str = "s.csv", head: str = HEAD) -> None:
        (self.root / path).write_text("\n".join([head, *rows]) + "\n")

    def run(self, *words: str, code: int = 0) -> Any:
        self.capsys.readouterr()
        assert main([*words]) == code
        return self.capsys.readouterr()

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "-o", "json", code=code).out)["result"]


def make_shop(root: Path, capsys: Any) -> Shop:
    """Return the repository, written into the current folder."""
    (root / "featurectl.yaml").write_text(PROJECT.replace("2026-01-08", "2026-01-20"))
    shop = Shop(root, capsys)
    shop.rows(ROWS)
    later = [f"k{i % 5},2026-01-06T{i % 10:02}:00:00Z,{(i * 11) % 40}" for i in range(20)]
    shop.rows(later, "later.csv", "k,at,amount")
    return shop
