"""Drift of 15 columns: `python -m benchmarks.drift [ROWS] [TRIALS]`: seconds and memory, accuracy, false alarms.

Columns are normal, skewed (lognormal, exponential, Pareto), in clusters, of few and of many integers, mostly zero, a
constant, bools and categories; a twentieth of one is null. The profile is of 200,000 other rows of the same. Speed is
that of counting a window in memory and comparing it, by wall clock and by the CPU time of all threads; then that of a
window in a Parquet file, a batch of 250,000 rows after the other while the next one is read, in a process of its own,
whose memory is told. Accuracy is against SciPy's `ks_2samp` and `wasserstein_distance` on the same values, of windows
that have moved and of some that have not. False alarms are those of windows that have not moved, of 100, 1,000 and
10,000 rows; then how often a normal feature that has moved is found, by how much and by which limit.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.pit.measure import run
from featurectl.models.profile.numbers import NumberCounts
from featurectl.models.profile.profile import SCORE, Profile, ProfileTally, load_profile, take_profile
from featurectl.models.profile.profile import dump_profile as dump
from featurectl.monitor.drift.compare import DriftRow, compare_profiles
from featurectl.monitor.drift.limits import DriftLimits, DriftMetric
from featurectl.registry.state import BoundFeature

ROWS: Final = 5_000_000
TRIALS: Final = 400
REFERENCE: Final = 200_000
BATCH: Final = 250_000
COMPARED: Final = 200_000
SMALL: Final = (100, 1_000, 10_000)
CATEGORIES: Final = ("kind", "city")
OF: Final = ("m", 1)
TRIED: Final[tuple[tuple[DriftMetric, float], ...]] = (
    ("psi", 0.2),
    ("psi", 0.1),
    ("psi", 0.02),
    ("psi", 0.0),
    ("ks", 0.0),
)
POWER: Final = {f"{name}={limit:g}": DriftLimits(of_all={name: limit}) for name, limit in TRIED}


def make_rows(rows: int, seed: int, moved: float = 0.0) -> pl.DataFrame:
    """Return rows of 15 columns; `moved` by so many of its standard deviations, or as much another share."""
    draw = np.random.default_rng(seed)
    at = moved
    columns = {
        "normal": draw.normal(at, 1, rows),
        "wide": draw.normal(0, 1 + at, rows),
        "large": 1.7e15 + np.round(draw.normal(at, 1, rows) * 1e9),
        "lognormal": draw.lognormal(at, 1, rows),
        "skewed": draw.lognormal(at, 3, rows),
        "exponential": draw.exponential(20 * (1 + at), rows),
        "delay": np.round(draw.exponential(20 * (1 + at), rows)) - 15,
        "pareto": draw.pareto(3.0, rows) * (1 + at),
        "clusters": draw.choice([0.0, 50.0], rows, p=[0.5 + at / 5, 0.5 - at / 5]) + draw.normal(0, 0.1, rows),
        "few": draw.choice([0, 1, 2, 3], rows, p=[0.5 - at / 5, 0.3, 0.15, 0.05 + at / 5]),
        "many": draw.integers(0, 3_000, rows) + round(at * 900),
        "mostly_zero": np.where(draw.random(rows) < 0.9 - at / 5, 0.0, draw.lognormal(2, 1, rows)),
        "flag": draw.random(rows) < 0.1 + at / 5,
    }
    texts = {
        "kind": draw.choice([0, 1, 2, 3], rows, p=[0.4 - at / 5, 0.3, 0.2, 0.1 + at / 5]),
        "city": np.minimum(draw.zipf(1.5, rows), 500) + round(at * 3),
    }
    frame = pl.DataFrame(columns).with_columns(
        pl.when(pl.Series(draw.random(rows) < 0.05)).then(None).otherwise(pl.col("wide")).alias("wide")
    )
    return frame.with_columns(pl.Series(name, codes).cast(pl.String) for name, codes in texts.items())


def inputs_of(rows: pl.DataFrame) -> list[BoundFeature]:
    """Return the columns as inputs of a model."""
    kinds = {name: "category" if name in CATEGORIES else "float64" for name in rows.columns}
    return [BoundFeature(name=name, dtype=kind, model_dtype=kind) for name, kind in kinds.items()]


def take_reference() -> Profile:
    """Return the profile that all windows are compared with."""
    rows = make_rows(REFERENCE, 1)
    return take_profile(inputs_of(rows), rows, np.empty(0))


def compare(reference: Profile, window: pl.DataFrame) -> Mapping[str, DriftRow]:
    """Return what drift finds, by column."""
    tally = ProfileTally(reference)
    tally.add(window, pl.Series(SCORE, [], dtype=pl.Float64))
    found = compare_profiles(OF, reference, tally.profile())
    return {row.feature: row for row in found if row.kind == "feature"}


def measure_speed(reference: Profile, window: pl.DataFrame) -> str:
    """Return the medians of seven looks at a window in memory."""
    walls, cpus = [], []
    for _ in range(7):
        begin, cpu = time.perf_counter(), time.process_time()
        compare(reference, window)
        walls.append(time.perf_counter() - begin)
        cpus.append(time.process_time() - cpu)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    return f"in memory  {window.height:>9,} rows x {window.width}: {wall:.2f} s ({cpu:.2f} s of CPU)"


def measure_file(reference: Profile, window: pl.DataFrame) -> str:
    """Return what a process needs that reads the window from a file."""
    with tempfile.TemporaryDirectory() as folder:
        window.write_parquet(Path(folder) / "rows.parquet", row_group_size=BATCH)
        (Path(folder) / "profile.json").write_bytes(dump(reference))
        cost = run(["benchmarks.drift", "file", folder], Path(folder), 600)
        told = (Path(folder) / "benchmark.log").read_text().strip()
    shape = f"{window.height:>9,} rows x {window.width}"
    return f"from file  {shape}: {told}; the whole process at most {cost.peak_mb:.0f} MB {cost.failed}".rstrip()


def read_file(folder: Path) -> str:
    """Compare the rows of a file, a batch after the other, and return the seconds that this takes."""
    reference, path = load_profile((folder / "profile.json").read_bytes()), folder / "rows.parquet"
    begin, cpu = time.perf_counter(), time.process_time()
    tally, score = ProfileTally(reference), pl.Series(SCORE, [], dtype=pl.Float64)
    rows = pl.scan_parquet(path)
    starts = range(0, rows.select(pl.len()).collect().item(), BATCH)
    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(rows.slice(0, BATCH).collect)
        for start in starts:
            given, following = following, ahead.submit(rows.slice(start + BATCH, BATCH).collect)
            tally.add(given.result(), score)
    compare_profiles(OF, reference, tally.profile())
    return f"{time.perf_counter() - begin:.2f} s ({time.process_time() - cpu:.2f} s of CPU)"


def measure_accuracy(reference: Profile) -> list[str]:
    """Return how far distances are from SciPy's, at worst, of windows that have moved and that have not."""
    known, lines = make_rows(REFERENCE, 1), []
    for moved in (0.0, 0.3):
        window = make_rows(COMPARED, 2, moved)
        found = compare(reference, window)
        apart, off = {}, {}
        for column in reference.columns:
            if not isinstance(column.values, NumberCounts) or column.kind == SCORE:
                continue
            row = found[column.name]
            before, after = (frame[column.name].cast(pl.Float64).drop_nulls().to_numpy() for frame in (known, window))
            exact = float(stats.wasserstein_distance(before, after))
            apart[column.name] = abs((row.ks or 0.0) - float(stats.ks_2samp(before, after).statistic))
            off[column.name] = abs((row.wasserstein or 0.0) - exact) / exact if exact else 0.0
        ks, ws = max(apart, key=apart.__getitem__), max(off, key=off.__getitem__)
        lines.append(
            f"moved by {moved}: of {len(apart)} columns of numbers KS is apart from SciPy's by at most "
            f"{apart[ks]:.4f} ({ks}), Wasserstein by at most {off[ws]:.2%} ({ws})"
        )
    return lines


def measure_alarms(reference: Profile, trials: int) -> list[str]:
    """Return how many columns of windows that have not moved are called drift, and would be by PSI > 0.2 alone."""
    pool, lines = make_rows(1_000_000, 3), []
    draw = np.random.default_rng(4)
    for rows in SMALL:
        alarms = plain = seen = 0
        for _ in range(trials):
            found = compare(reference, pool[draw.integers(0, pool.height, rows)])
            seen += len(found)
            alarms += sum(row.state == "drift" for row in found.values())
            plain += sum((row.psi or 0.0) > 0.2 for row in found.values())
        lines.append(
            f"{rows:>6,} rows: {alarms} of {seen:,} columns ({alarms / seen:.2%}); "
            f"by PSI > 0.2 without regard to chance {plain} ({plain / seen:.2%})"
        )
    return lines


def measure_power(reference: Profile, trials: int) -> list[str]:
    """Return how often a normal feature is called drift that has moved by a part of its standard deviation."""
    column = next(column for column in reference.columns if column.name == "normal")
    draw, lines = np.random.default_rng(5), ["moved by  rows    " + "  ".join(f"{name:>8}" for name in POWER)]
    for moved in (0.0, 0.1, 0.2, 0.5, 1.0):
        for rows in SMALL:
            found = dict.fromkeys(POWER, 0)
            for _ in range(trials):
                tally = ProfileTally(Profile(columns=[column]))
                tally.add(pl.DataFrame({"normal": draw.normal(moved, 1, rows)}), pl.Series([]))
                for name, limits in POWER.items():
                    row = compare_profiles(OF, Profile(columns=[column]), tally.profile(), limits)[0]
                    found[name] += row.state == "drift"
            lines.append(f"{moved:>5} sd {rows:>7,}  " + "  ".join(f"{n / trials:>8.0%}" for n in found.values()))
    return lines


def main(words: list[str]) -> None:
    """Print all figures."""
    if words[:1] == ["file"]:
        sys.stdout.write(read_file(Path(words[1])) + "\n")
        return
    rows, trials = (int(word) for word in [*words, *map(str, (ROWS, TRIALS)[len(words) :])])
    begin = time.perf_counter()
    reference = take_reference()
    lines = [f"profile of {REFERENCE:,} rows: {time.perf_counter() - begin:.2f} s, {len(dump(reference)) / 1e3:.0f} kB"]
    window = make_rows(rows, 2)
    lines += [measure_speed(reference, window), measure_file(reference, window)]
    del window
    lines += ["", *measure_accuracy(reference), "", "false alarms", *measure_alarms(reference, trials)]
    lines += ["", "found", *measure_power(reference, trials)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
