"""Batch scores against the bare library: `python -m benchmarks.score [ROWS] [MEMORY]`.

A LightGBM of 200 trees on 15 features: eight of a state view, four windows over events, three columns of the request.
End to end is one `featurectl score` from spine file to Parquet file; bare is the library's `predict` on the same rows as
a float32 matrix in memory. Another run is killed half-way and continued; the files must be equal to the byte.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.pit.measure import ROOT, Cost, run

ROWS: Final = 2_000_000
EXAMPLES: Final = 200_000
DAYS: Final = 60
_BEGIN_US: Final = 1_767_225_600_000_000  # 2026-01-01
_DAY_US: Final = 86_400_000_000
_TIMEOUT_S: Final = 3_600
_CLOCK: Final = pl.Datetime("us", "UTC")
_PROJECT: Final = """project: bench
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", now: 2026-04-01T00:00:00Z}
"""
_OBJECTS: Final = """entities: [{name: user, keys: {user: int64}}]
sources:
  - {name: examples, path: examples.parquet, event_time: t}
  - {name: profiles, path: profiles.parquet, event_time: ts}
  - {name: events, path: events.parquet, event_time: ts}
feature_views:
  - {name: profile, entity: user, source: profiles, online: false, features: [p0, p1, p2, p3, p4, p5, p6, p7]}
  - name: spend
    entity: user
    source: events
    online: false
    aggregates: [{column: amount, op: [sum, max], windows: [7d, 30d]}]
models:
  - name: m
    spine: {source: examples, time: t, label: {name: y}}
    features: [{profile: "*"}, {spend: "*"}, {request: {r0: float64, r1: float64, r2: int64}}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 200, num_leaves: 31, verbose: -1}}
"""


def write_data(folder: Path, rows: int) -> None:
    """Write the sources, and `rows.parquet`: the spine to be scored."""
    rng = np.random.default_rng(11)
    users = max(rows // 10, 1_000)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "featurectl.yaml").write_text(_PROJECT)
    (folder / "all.yaml").write_text(_OBJECTS)
    profiles = {f"p{i}": rng.normal(size=2 * users) for i in range(8)}
    keys = np.tile(np.arange(users), 2)
    pl.DataFrame({"user": keys, "ts": _times(rng, 2 * users), **profiles}).write_parquet(folder / "profiles.parquet")
    amounts = {"user": rng.integers(0, users, 5 * users), "ts": _times(rng, 5 * users)}
    pl.DataFrame({**amounts, "amount": rng.exponential(size=5 * users)}).write_parquet(folder / "events.parquet")
    _spine(rng, users, rows).write_parquet(folder / "rows.parquet")
    examples = _spine(rng, users, EXAMPLES)
    noise = rng.normal(size=EXAMPLES)
    label = (pl.col("r0") * pl.col("r1") + pl.col("r2") / 50 + pl.Series(noise) > 1).alias("y")
    examples.with_columns(label).write_parquet(folder / "examples.parquet")


def _times(rng: np.random.Generator, rows: int) -> pl.Series:
    return pl.Series(_BEGIN_US + rng.integers(0, DAYS * _DAY_US, rows)).cast(_CLOCK)


def _spine(rng: np.random.Generator, users: int, rows: int) -> pl.DataFrame:
    asked = {"r0": rng.normal(size=rows), "r1": rng.normal(size=rows), "r2": rng.integers(0, 100, rows)}
    return pl.DataFrame({"user": rng.integers(0, users, rows), "t": _times(rng, rows), **asked})


def bare(folder: Path) -> None:
    """Print the seconds that the library takes for the rows of `joined.parquet`, once they are in memory."""
    import lightgbm

    told = json.loads((folder / "shown.json").read_text())["result"]
    booster = lightgbm.Booster(model_file=str(folder / "off" / told["artifact"]))
    names = [item["name"] for item in told["inputs"]]
    scan = pl.scan_parquet(folder / "joined.parquet").select(pl.col(names).cast(pl.Float32))
    matrix = np.ascontiguousarray(scan.collect().to_numpy())
    booster.predict(matrix[:1000])
    begin = time.monotonic()
    scores = booster.predict(matrix)
    seconds = time.monotonic() - begin
    same = np.array_equal(scores, pl.read_parquet(folder / "out.parquet", columns=["score"])["score"].to_numpy())
    print(json.dumps({"seconds": seconds, "same": bool(same)}))


def _command(out: str, memory: str) -> list[str]:
    words = ["featurectl", "score", "m", "--spine", "rows.parquet", "--out", out]
    return [*words, *(["--memory", memory] if memory else [])]


def _killed_after(folder: Path, seconds: float, memory: str) -> None:
    process = subprocess.Popen([sys.executable, "-m", *_command("again.parquet", memory), "-q"], cwd=folder)  # noqa: S603
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _must(cost: Cost) -> Cost:
    if cost.failed:
        raise SystemExit(cost.failed)
    return cost


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:12]


def main(folder: Path, rows: int, memory: str) -> None:
    """Print a table of times, rates and memory."""
    write_data(folder, rows)
    for words in (["apply", "--auto-approve"], ["materialize", "--no-online"], ["train", "m"]):
        _must(run(["featurectl", *words, "-q"], folder, _TIMEOUT_S))
    shown = [sys.executable, "-m", "featurectl", "models", "show", "m", "-o", "json"]
    (folder / "shown.json").write_bytes(subprocess.check_output(shown, cwd=folder))  # noqa: S603
    whole = _must(run(_command("out.parquet", memory), folder, _TIMEOUT_S))
    _must(
        run(
            ["featurectl", "training-set", "m", "--spine", "rows.parquet", "--out", "joined.parquet"],
            folder,
            _TIMEOUT_S,
        )
    )
    alone = [sys.executable, "-m", "benchmarks.score", "--bare", str(folder)]
    found = json.loads(subprocess.check_output(alone, cwd=ROOT))  # noqa: S603
    _killed_after(folder, whole.seconds / 2, memory)
    again = _must(run(_command("again.parquet", memory), folder, _TIMEOUT_S))
    digests = [_digest(folder / name) for name in ("out.parquet", "again.parquet")]
    print("| work | time | rows/s | CPU | peak |\n|---|---|---|---|---|")
    print(f"| bare library | {found['seconds']:.1f} s | {rows / found['seconds']:,.0f} | | |")
    print(_line("score", rows, whole))
    print(_line(f"killed after {whole.seconds / 2:.0f} s, continued", rows, again))
    print(f"score has {found['seconds'] / whole.seconds:.2f} of the bare library's speed")
    print(f"scores equal to the bit: {found['same']}; files {' '.join(digests)}")


def _line(work: str, rows: int, cost: Cost) -> str:
    rate = rows / cost.seconds
    return f"| {work} | {cost.seconds:.1f} s | {rate:,.0f} | {cost.cpu_seconds:.1f} s | {cost.peak_mb:,.0f} MiB |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(Path(sys.argv[2]))
    else:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), count, sys.argv[2] if len(sys.argv) > 2 else "")
