"""What the flights teach: the same model with honest features, with leaked ones, and with stale ones.

    python -m benchmarks.story [DATA]      (the folder of the tables; default: the template's)

Trains LightGBM as the template's models say, on the first three quarters of the labelled flights by time, and
measures the last quarter, October to December. The features come from plain SQL (`benchmarks.story_features`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from benchmarks.story_features import FEATURES, REQUEST, Question, all_columns, open_tables

DATA = Path(__file__).parent.parent / "feature_repo_template" / "flights" / "data"
CATEGORIES = ("carrier", "origin", "dest", "engine")
TEST_SHARE = 0.25
PARAMS = {
    "n_estimators": 200,
    "learning_rate": 0.05,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
    "random_state": 7,
}

HONEST = Question()
NAIVE = Question(time="sched_dep_at", honest=False)  # windows end at departure and see landings not yet reported
STALE = Question(hours_ago=48)  # what the store still holds two days after the last push


@dataclass(frozen=True)
class Split:
    """Which flights are trained on and which are measured; flights without a label are neither."""

    train: np.ndarray
    test: np.ndarray
    late: np.ndarray


@dataclass(frozen=True)
class Trained:
    """A model and what turns rows into its matrix."""

    model: lightgbm.LGBMClassifier
    columns: Sequence[str]
    categories: dict[str, list[str]]


@dataclass(frozen=True)
class Line:
    """One line of the table: the AUC on paper, and where it differs, with the features of production."""

    model: str
    offline: float
    production: float | None = None


def split_by_time(flights: pl.DataFrame) -> Split:
    """Return the last quarter of the labelled flights as test, the flights of one moment on one side."""
    labelled = flights["is_late"].is_not_null()
    moments = flights["decided_at"].filter(labelled).sort()
    cut = moments[int(np.floor(len(moments) * (1 - TEST_SHARE)))]
    early = (flights["decided_at"] < cut).to_numpy()
    known = labelled.to_numpy()
    return Split(train=known & early, test=known & ~early, late=flights["is_late"].fill_null(value=False).to_numpy())


def matrix(rows: pl.DataFrame, columns: Sequence[str], categories: dict[str, list[str]]) -> np.ndarray:
    """Return the columns as float32, null as NaN, a category as its place among those of the training rows."""
    out = np.empty((rows.height, len(columns)), dtype=np.float32)
    for i, name in enumerate(columns):
        column = rows[name]
        if name in categories:
            places = {value: place for place, value in enumerate(categories[name])}
            column = column.replace_strict(places, default=None, return_dtype=pl.Float32)
        out[:, i] = column.cast(pl.Float32).fill_null(float("nan")).to_numpy()
    return out


def train(rows: pl.DataFrame, columns: Sequence[str], split: Split) -> Trained:
    """Return the model fitted on the training flights."""
    known = rows.filter(pl.Series(split.train))
    categories = {name: known[name].drop_nulls().unique().sort().to_list() for name in CATEGORIES if name in columns}
    model = lightgbm.LGBMClassifier(**PARAMS)
    places = [i for i, name in enumerate(columns) if name in categories]
    model.fit(matrix(known, columns, categories), split.late[split.train], categorical_feature=places)
    return Trained(model, columns, categories)


def auc(trained: Trained, rows: pl.DataFrame, split: Split) -> float:
    """Return the area under the ROC curve on the test flights."""
    seen = matrix(rows.filter(pl.Series(split.test)), trained.columns, trained.categories)
    scores = trained.model.booster_.predict(seen, num_threads=PARAMS["num_threads"])
    return float(roc_auc_score(split.late[split.test], scores))


def without_features(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows as a dead store would answer: every feature null, a default where the model has one."""
    nulls = [pl.lit(None, dtype=rows.schema[name]).alias(name) for name in FEATURES]
    return rows.with_columns(nulls).with_columns(engine=pl.lit("unknown"))


def tell(folder: Path) -> list[Line]:
    """Return the lines of the table."""
    database = open_tables(folder)
    honest, naive, stale = (all_columns(database, question) for question in (HONEST, NAIVE, STALE))
    split = split_by_time(honest)
    everything = (*REQUEST, *FEATURES)
    static = train(honest, REQUEST, split)
    good = train(honest, everything, split)
    leaked = train(naive, everything, split)
    return [
        Line("what the caller knows", auc(static, honest, split)),
        Line("+ point-in-time features", auc(good, honest, split)),
        Line("naive join", auc(leaked, naive, split), auc(leaked, honest, split)),
        Line("honest model, values 48 h old", auc(good, honest, split), auc(good, stale, split)),
        Line("honest model, dead store", auc(good, honest, split), auc(good, without_features(honest), split)),
    ]


def render(lines: Sequence[Line]) -> str:
    """Return the table as text."""
    head = f"{'model':<32}{'test AUC':>10}{'in production':>16}"
    body = [
        f"{line.model:<32}{line.offline:>10.3f}" + (f"{line.production:>16.3f}" if line.production else "")
        for line in lines
    ]
    return "\n".join([head, *body])


def main(arguments: list[str]) -> int:
    """Print the table and how long it took."""
    begin = time.perf_counter()
    print(render(tell(Path(arguments[0]) if arguments else DATA)))
    print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
