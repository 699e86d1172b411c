"""A repository with one trained model, and spines of any length for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from featurectl.cli.main import main
from tests.model_shop import KEYS, objects, write_files

OBJECTS = objects()


def make_shop(root: Path, text: str = OBJECTS) -> None:
    """Write the repository, apply it, fill its tables and train its model."""
    write_files(root, text)
    for words in (["apply", "--auto-approve"], ["materialize", "--no-online"], ["train", "m"]):
        assert main([*words, "-C", str(root), "-q"]) == 0


def write_spine(path: Path, rows: int, seed: int = 1) -> None:
    """Write a spine of random keys (some unknown, some null) and instants."""
    rng = np.random.default_rng(seed)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    keys = pl.Series("k", [f"k{n}" for n in range(KEYS + 2)] + [None])
    frame = pl.DataFrame(
        {
            "k": keys.gather(rng.integers(0, len(keys), rows)),
            "at": pl.Series(rng.integers(0, 7 * 86_400, rows)).cast(pl.Duration("ms")) * 1000 + begin,
            "note": rng.integers(0, 1000, rows),
        }
    ).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    frame.write_parquet(path)


def one_by_one(root: Path, spine: pl.DataFrame) -> np.ndarray:
    """Return the score of each row of a spine, found in the file of the source in the plainest way: the oracle."""
    import lightgbm

    from featurectl.workspace.open import open_workspace

    with open_workspace(root, None, None, "unread") as workspace:
        version = workspace.state().model_version("m", 1)
        assert version is not None
        artifact = Path(workspace.offline_location()) / version.artifact
    booster = lightgbm.Booster(model_file=str(artifact))
    kinds = version.inputs[2].categories
    source = pl.read_csv(root / "s.csv", try_parse_dates=True).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    matrix = np.full((spine.height, 3), np.nan, dtype=np.float32)
    for place, (key, at) in enumerate(spine.select("k", "at").iter_rows()):
        known = source.filter((pl.col("k") == pl.lit(key, pl.String)) & (pl.col("at") <= at)).sort("at")
        if known.height:
            row = known.row(-1, named=True)
            matrix[place] = [row["qty"], row["amount"] / 2, kinds.index(row["kind"])]  # type: ignore[union-attr]
    return np.asarray(booster.predict(matrix))
