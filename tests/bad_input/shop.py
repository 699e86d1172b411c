"""A small repository, and commands run on it with what must hold whatever goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from featurectl.cli.main import main

NOW = "2026-01-08T00:00:00Z"
PROJECT = f"""project: shop
environments:
  dev:
    registry: sqlite:///.featurectl/registry.db
    offline: .featurectl/offline
    online: sqlite:///.featurectl/online.db
    now: {NOW}
"""
OBJECTS = """entities:
  - {name: customer, keys: {customer: string}}
sources:
  - name: orders
    path: data/orders.csv
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
  - {name: asks, path: data/asks.csv, event_time: at, columns: {customer: string, at: timestamp, paid: bool, n: int64}}
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates:
      - {op: count, windows: [7d]}
      - {column: amount, op: sum, windows: [7d]}
  - {name: last_order, entity: customer, source: orders, features: [amount]}
models:
  - name: pays
    spine: {source: asks, time: at, label: {name: paid}}
    features: [{spend: [count_7d, amount_sum_7d]}, {request: {n: int64}}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 2, min_child_samples: 2, verbose: -1}}
"""
ORDERS = "".join(
    f"{'abc'[i % 3]},2026-01-0{1 + i // 6}T{10 + i % 6}:00:00Z,{i}.5\n" for i in range(36)
)  # three customers, six days
ASKS = "".join(
    f"{'abc'[i % 3]},2026-01-0{2 + i // 8}T09:00:00Z,{'true' if i % 2 else 'false'},{i}\n" for i in range(40)
)
FILES = {
    "featurectl.yaml": PROJECT,
    "objects.yaml": OBJECTS,
    "data/orders.csv": f"customer,ordered_at,amount\n{ORDERS}",
    "data/asks.csv": f"customer,at,paid,n\n{ASKS}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command left on its two streams, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Shop:
    """A repository's folder and a way to run commands in it."""

    root: Path
    read: Callable[[], tuple[str, str]]

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def change(self, name: str, old: str, new: str) -> None:
        """Put a text in place of another that stands once in a file."""
        text = (self.root / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (self.root / name).write_text(text.replace(old, new))

    def run(self, *argv: str) -> Ran:
        """Run a command; no traceback is shown, and there is no fault of ours."""
        code = main([*argv])
        out, err = self.read()
        assert code != 70, err
        assert "Traceback" not in out + err
        assert not list(self.root.rglob("crash-*.log"))
        return Ran(code=code, out=out, err=err)

    def fails(self, code: int, *argv: str) -> str:
        """Run a command that must fail with this code and change no file, as text and as JSON; return what it said."""
        before = self.files()
        ran = self.run(*argv)
        assert (ran.code, ran.out) == (code, ""), ran
        again = self.run(*argv, "-o", "json")
        document = json.loads(again.out)
        assert (again.code, document["exit_code"], document["ok"]) == (code, code, False)
        error = document["result"].get("error")
        told = [error["message"]] if error else [problem["message"] for problem in document["problems"]]
        assert told
        assert [message for message in told if message not in ran.err] == []
        assert self.files() == before
        return ran.err

    def files(self) -> dict[str, bytes]:
        """Return every file below the root with its content; without records of runs: failed runs have one, too."""
        paths = sorted(path for path in self.root.rglob("*") if path.is_file() and "runs" not in path.parts)
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}


def write_shop(root: Path) -> Path:
    """Write the repository into a folder and return it."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def copy_shop(origin: Path, root: Path) -> Path:
    """Return a copy of a repository with everything that was made in it."""
    return Path(shutil.copytree(origin, root))
