"""Generated events, states and spines, the same for the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]

DAY_US: Final = 86_400_000_000
START_US: Final = 1_735_689_600_000_000  # 2025-01-01
SPAN_US: Final = 90 * DAY_US
_LETTERS: Final = "3f2504e0-4f89-11d3-9a0c-"  # with twelve digits behind them as long as a UUID
FILE_ROWS: Final = 10_000_000
_INSTANT: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is generated: how many rows of the table and of the spine, how many keys, and of which kind.

    `keys_kind` is "int", "string" (36 letters) or "composite". The rows are of so many `days`, in the order of
    `order`: "time", "none", or "table" (key, then time). `skewed`: one key holds a fifth of both sides. `late`: rows
    carry `available_at`, 30 seconds after the event, of one in a hundred up to three days after it.
    """

    rows: int
    spine: int
    keys: int
    keys_kind: str = "int"
    days: int = 90
    order: str = "time"
    skewed: bool = False
    late: bool = False

    @property
    def name(self) -> str:
        """What its folder is called."""
        marks = "-skewed" * self.skewed + "-late" * self.late
        return f"{self.rows}-{self.spine}-{self.keys}-{self.keys_kind}-{self.days}d-{self.order}{marks}"

    @property
    def start_us(self) -> int:
        """The first instant; all histories end on the same day."""
        return START_US + SPAN_US - self.days * DAY_US

    @property
    def key_columns(self) -> dict[str, str]:
        """The keys and their types."""
        return {
            "int": {"user": "int64"},
            "string": {"user": "string"},
            "composite": {"user": "int64", "shop": "string"},
        }[self.keys_kind]


def write_events(folder: Path, shape: Shape) -> None:
    """Write `events-*.parquet` (keys, ts, amount), each file in an order, and `spine.parquet` (keys, t)."""
    if (folder / "spine.parquet").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for number, start in enumerate(range(0, shape.rows, FILE_ROWS)):
        rows = min(FILE_ROWS, shape.rows - start)
        ts = random.integers(0, shape.days * DAY_US, rows) + shape.start_us
        ts = ts if shape.order == "none" else np.sort(ts)
        columns = _keys(random, shape, rows) | {"ts": ts, "amount": random.normal(50, 20, rows).round(2)}
        if shape.late:
            delay = np.full(rows, 30_000_000)
            very = random.random(rows) < 0.01
            delay[very] = random.integers(0, 3 * DAY_US, int(very.sum()))
            columns["known_at"] = ts + delay
        frame = pl.DataFrame(columns).with_columns(pl.col(n).cast(_INSTANT) for n in ("ts", "known_at") if n in columns)
        frame = frame.sort([*shape.key_columns, "ts"]) if shape.order == "table" else frame
        frame.write_parquet(folder / f"events-{number:03}.parquet")
    t = random.integers(30 * DAY_US, shape.days * DAY_US, shape.spine) + shape.start_us
    spine = pl.DataFrame(_keys(random, shape, shape.spine) | {"t": t}).with_columns(pl.col("t").cast(_INSTANT))
    spine.write_parquet(folder / "spine.parquet")


def write_states(folder: Path, shape: Shape, views: int = 3, features: int = 5) -> None:
    """Write `state-N.parquet` (user, ts, created, N_0 ...) for several views, and `spine.parquet`."""
    if (folder / "spine.parquet").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(11)
    for view in range(views):
        ts = np.sort(random.integers(0, SPAN_US, shape.rows)) // 1_000_000 * 1_000_000 + START_US
        columns = _keys(random, shape, shape.rows)
        columns |= {"ts": ts, "created": ts + random.integers(0, 60, shape.rows) * 1_000_000}
        columns |= {f"f{view}_{i}": random.normal(size=shape.rows) for i in range(features)}
        frame = pl.DataFrame(columns).with_columns(pl.col("ts", "created").cast(_INSTANT))
        frame.write_parquet(folder / f"state-{view}.parquet")
    t = random.integers(DAY_US, SPAN_US, shape.spine) + START_US
    spine = pl.DataFrame(_keys(random, shape, shape.spine) | {"t": t}).with_columns(pl.col("t").cast(_INSTANT))
    spine.write_parquet(folder / "spine.parquet")


def _keys(random: np.random.Generator, shape: Shape, rows: int) -> dict[str, object]:
    user: Ints = random.integers(0, shape.keys, rows)
    if shape.skewed:
        user[random.random(rows) < 0.2] = 0
    if shape.keys_kind == "string":
        return {"user": pl.select(pl.lit(_LETTERS) + pl.Series(user).cast(pl.String).str.zfill(12)).to_series()}
    if shape.keys_kind == "composite":
        return {"user": user, "shop": pl.select(pl.lit("s") + pl.Series(user % 7).cast(pl.String)).to_series()}
    return {"user": user}
