"""A small repository with one model, for tests of what becomes of model versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from featurectl.cli.main import main
from featurectl.models.served_model import ServedRuntime, check_golden, load_served
from featurectl.registry.state import ModelVersion
from featurectl.workspace.open import open_workspace
from featurectl.workspace.pickles import pickle_policy
from tests.prepared import make_once

VIEWS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: s, path: s.csv, event_time: at, columns: {k: string, at: timestamp, kind: string, qty: int64, amount: float64}}
feature_views:
  - {name: v, entity: key, source: s, features: [qty, kind, {name: half, expr: amount / 2}]}
"""  # noqa: E501  # lines of a file or a screen
OBJECTS = f"""{VIEWS}
models:
  - name: m
    spine: {{source: s, time: at, label: {{name: big, expr: amount > 20}}}}
    features: [{{feature: "v:qty", as: q}}, {{feature: "v:half"}}, {{feature: "v:kind", as: c, type: category}}]
    trainer: {{estimator: "ESTIMATOR", params: PARAMS, validation: {{split: time, fraction: 0.25}}}}
    allow_pickle: ALLOW
"""
PROJECT = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-20T00:00:00Z}
"""
LIGHTGBM = ("lightgbm.LGBMClassifier", "{n_estimators: 5, num_threads: 1, verbose: -1, min_child_samples: 2}")
KEYS = 7
ROWS = 40


def objects(estimator: str = LIGHTGBM[0], params: str = LIGHTGBM[1], allow: str = "false") -> str:
    """Return the objects with a trainer."""
    words = (("ESTIMATOR", estimator), ("PARAMS", params), ("ALLOW", allow))
    text = OBJECTS
    for mark, word in words:
        text = text.replace(mark, word)
    return text


def write_files(root: Path, text: str) -> None:
    """Write the repository's files and its rows."""
    rows = [
        f"k{i % KEYS},2026-01-0{1 + i // 10}T{i % 10:02}:00:00Z,{'ab'[i % 2]},{i % 7},{i * 1.1:.2f}"
        for i in range(ROWS)
    ]
    (root / "s.csv").write_text("\n".join(["k,at,kind,qty,amount", *rows]) + "\n")
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "o.yaml").write_text(text)


class Shop:
    """The repository in the current folder."""

    def __init__(self, root: Path, capsys: Any) -> None:
        self.root, self.capsys = root, capsys

    def make(self, text: str) -> None:
        """Write the files, apply them and fill the tables."""
        if any(self.root.iterdir()):
            self._make(text)
        else:
            make_once(PROJECT + text, self.root, lambda: self._make(text))

    def _make(self, text: str) -> None:
        write_files(self.root, text)
        self.run("apply", "--auto-approve")
        self.run("materialize")

    def run(self, *words: str, code: int = 0) -> Any:
        """Run a command, and return what it said."""
        self.capsys.readouterr()
        assert main([*words, "-q"]) == code
        return self.capsys.readouterr()

    def shown(self) -> Any:
        """Return what `models show` tells of the model."""
        return json.loads(self.run("models", "show", "m", "-o", "json").out)["result"]

    def version(self, number: int = 1) -> tuple[ModelVersion, str]:
        """Return a version, and the offline location."""
        with open_workspace(self.root, None, None, "unread") as workspace:
            version = workspace.state().model_version("m", number)
            location = workspace.offline_location()
        assert version is not None
        return version, location

    def served(self, number: int = 1, *, allow_pickle: bool = False) -> tuple[ServedRuntime, int]:
        """Return a version as a server loads it, and how many golden rows it has proven itself on."""
        with open_workspace(self.root, None, None, "unread") as workspace:
            policy = pickle_policy(workspace, workspace.state(), by_flag=allow_pickle)
        version, location = self.version(number)
        served = load_served(version, location, policy)
        return served, check_golden(served, location)


@contextmanager
def open_shop(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """Give the repository in a folder, which is the current one and where Python looks for modules."""
    with monkeypatch.context() as patched:
        patched.chdir(root)
        patched.syspath_prepend(root)
        yield Shop(root, capsys)
