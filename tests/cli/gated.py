"""A repository with a model that is gated, over rows that tell something of their label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT
from tests.prepared import make_once

OBJECTS = """
entities: [{{name: key, keys: {{k: int64}}}}]
sources:
  - name: s
    path: s.csv
    event_time: at
    columns: {{k: int64, at: timestamp, good: float64, poor: float64, y: bool, kind: string}}
  - {{name: asks, path: asks.csv, event_time: at, columns: {{k: int64, at: timestamp, y: bool}}}}
feature_views:
  - {{name: v, entity: key, source: s, features: [{view}], derived: [{{name: twice, expr: good * 2}}]}}
  - {{name: w, entity: key, source: s, features: [poor]}}
models:
  - name: m
    spine: {{source: asks, time: at, label: {{name: y}}}}
    features: [{features}]
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {{n_estimators: 10, num_threads: 1, verbose: -1, deterministic: true}}
      validation: {{split: time, fraction: 0.5}}
      seed: 7
    gates: {{{gates}}}
"""
GAIN = "min_auc_gain_over_champion: -0.002"


class Gated:
    """A repository in the current folder: `change` writes its files anew, applies and materializes."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], rows: int = 800) -> None:
        self.root, self.capsys = root, capsys
        self.parts = {"view": "good, poor", "features": '{feature: "v:poor"}', "gates": GAIN}
        rng = np.random.default_rng(3)
        y = rng.random(rows) < 0.5
        good, poor = (y * size + rng.normal(size=rows) for size in (2.0, 0.5))
        kinds = rng.choice(["a", "b"], rows)
        lines = [
            f"{i},2026-01-{1 + i // 200:02}T{i % 200 // 10:02}:{i % 10:02}:00Z,"
            f"{good[i]},{poor[i]},{str(y[i]).lower()},{kinds[i]}"
            for i in range(rows)
        ]
        (root / "s.csv").write_text("\n".join(["k,at,good,poor,y,kind", *lines]) + "\n")
        asks = [f"{k},{at},{y}" for k, at, _, _, y, _ in (line.split(",") for line in lines)]
        (root / "asks.csv").write_text("\n".join(["k,at,y", *asks]) + "\n")
        (root / "featurectl.yaml").write_text(PROJECT.replace("2026-01-08", "2026-01-20"))

    def change(self, *options: str, **parts: str) -> Any:
        self.parts |= parts
        (self.root / "o.yaml").write_text(OBJECTS.format(**self.parts))
        self.run("apply", "--auto-approve", *options)
        self.run("materialize")

    def run(self, *words: str, code: int = 0) -> Any:
        self.capsys.readouterr()
        got = main([*words, "-q"])
        said = self.capsys.readouterr()
        assert got == code, said
        return said

    def result(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "-o", "json", code=code).out)["result"]

    def train(self, code: int = 0, **parts: str) -> Any:
        """Train a version of the model, changed before, and return it."""
        if parts:
            self.change(**parts)
        return self.result("train", "m", "--again", code=code)

    def train_both(self) -> None:
        """Train version 1 on what is poor, and version 2 on what is good."""
        parts = json.dumps(self.parts, sort_keys=True)

        def train() -> None:
            self.train()
            self.train(features=GOOD)

        make_once(f"two gated versions {parts}", self.root, train)
        self.parts["features"] = GOOD

    def aliases(self) -> dict[str, int]:
        found = self.result("models", "list")["versions"]
        return {alias: item["version"] for item in found for alias in item["aliases"]}

    def history(self) -> list[str]:
        return [f"{e['command']}: {e['summary']}" for e in self.result("history")["entries"]]


GOOD, POOR = '{feature: "v:good"}', '{feature: "v:poor"}'
