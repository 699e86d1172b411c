"""How commands grow with the features of a view: `python -m benchmarks.wide_views [FEATURES ...]`; 10, 100 and 1,000.

A state view of so many float64 features, 100,000 rows of 20,000 keys. Measured are whole processes: a training set of
200,000 rows beside Polars' `join_asof` over the view's file, `train` of 5 trees on 40,000 rows, `score` of the 200,000
rows by them. The training set has to be equal to Polars'.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.pit.measure import run

FEATURES: Final = (10, 100, 1_000)
ROWS, KEYS, SPINE, EXAMPLES = 100_000, 20_000, 200_000, 40_000
LIMIT_S: Final = 600.0
_BEGIN_US: Final = 1_767_225_600_000_000  # 2026-01-01
_SPAN_US: Final = 90 * 86_400_000_000
_CLOCK: Final = pl.Datetime("us", "UTC")
PROJECT: Final = """\
project: wide
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", now: 2026-04-01T00:00:00Z}
"""
OBJECTS: Final = """\
entities: [{name: user, keys: {user: int64}}]
sources:
  - {name: states, path: states.parquet, event_time: ts}
  - {name: examples, path: examples.parquet, event_time: t}
feature_views:
  - {name: wide, entity: user, source: states, online: false, features: [FEATURES]}
models:
  - name: m
    spine: {source: examples, time: t, label: {name: y}}
    features: [{wide: "*"}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 5, num_leaves: 31, verbose: -1}}
"""


def write_repository(root: Path, features: int) -> None:
    """Write the repository, the rows of its view, and what is asked of them."""
    random = np.random.default_rng(7)

    def instants(count: int) -> pl.Series:
        return pl.Series(_BEGIN_US + random.integers(0, _SPAN_US, count)).cast(_CLOCK)

    names = [f"f{number}" for number in range(features)]
    root.mkdir(parents=True)
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS.replace("FEATURES", ", ".join(names)))
    states = {"user": random.integers(0, KEYS, ROWS), "ts": instants(ROWS)}
    pl.DataFrame(states | {name: random.normal(0, 1, ROWS) for name in names}).write_parquet(root / "states.parquet")
    spine = pl.DataFrame({"user": random.integers(0, KEYS, SPINE), "t": instants(SPINE)})
    spine.write_parquet(root / "spine.parquet")
    labels = pl.Series("y", random.integers(0, 2, EXAMPLES))
    spine.head(EXAMPLES).with_columns(labels).write_parquet(root / "examples.parquet")


def join_asof(root: Path) -> None:
    """Write what `join_asof` makes of the files."""
    states = pl.scan_parquet(root / "states.parquet").sort("ts", maintain_order=True)
    spine = pl.scan_parquet(root / "spine.parquet").with_row_index("n").sort("t")
    joined = spine.join_asof(states, left_on="t", right_on="ts", by="user", check_sortedness=False)
    joined.sort("n").drop("n", "ts").sink_parquet(root / "polars.parquet")


def main(words: list[str]) -> int:
    """Print a line for each command and number of features; 1 where the training set is not Polars'."""
    if words[:1] == ["join_asof"]:
        join_asof(Path(words[1]))
        return 0
    measured = (
        ("materialize", ["featurectl", "materialize"]),
        ("Polars join_asof", ["benchmarks.wide_views", "join_asof", "."]),
        ("training-set", "featurectl training-set --features wide:* --spine spine.parquet --time t --out ours.parquet".split()),
        ("train", ["featurectl", "train", "m"]),
        ("score", "featurectl score m@1 --spine spine.parquet --out scores.parquet".split()),
    )  # fmt: skip
    same = True
    print(f"{'command':<20}{'features':>9}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for features in map(int, words) if words else FEATURES:
            root = Path(folder) / str(features)
            write_repository(root, features)
            run(["featurectl", "apply", "--auto-approve"], root, LIMIT_S)
            for label, command in measured:
                cost = run(command, root, LIMIT_S)
                figures = f"{cost.cpu_seconds:>9.2f}{cost.seconds:>9.2f}{cost.peak_mb:>9.0f}"
                print(f"{label:<20}{features:>9}{cost.failed or figures}", flush=True)
            ours, theirs = pl.read_parquet(root / "ours.parquet"), pl.read_parquet(root / "polars.parquet")
            same = same and ours.select(theirs.columns).equals(theirs)
    print("the training sets are equal" if same else "the training sets differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
