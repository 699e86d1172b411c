"""Batch scores against the bare library: `python -m benchmarks.score [ROWS] [RUNS] [MEMORY]`.

A LightGBM of 200 trees on 15 features: eight of a state view, four windows over events, three columns of the request.
End to end is one `featurectl score` from spine file to Parquet file, by compiled loops (the extra `fast`) and by the
library; bare is the library's `predict` on the same rows as a float32 matrix in memory. They run in turn, 3 times unless
RUNS says otherwise, and each ratio is that of one turn. Another run is killed half-way and continued; all files must be
equal to the byte.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
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
_BY_LIBRARY: Final = """import sys
import featurectl.models.served_model as served_model
from featurectl.cli.main import main
served_model.COMPILED_ROWS = 10**12
sys.exit(main(sys.argv[1:]))
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
    begin, cpu = time.monotonic(), time.process_time()
    scores = booster.predict(matrix)
    seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
    same = np.array_equal(scores, pl.read_parquet(folder / "out.parquet", columns=["score"])["score"].to_numpy())
    print(json.dumps({"seconds": seconds, "cpu": cpu, "same": bool(same)}))


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


def main(folder: Path, rows: int, runs: int, memory: str) -> None:
    """Print a table of times, rates and memory."""
    write_data(folder, rows)
    for words in (["apply", "--auto-approve"], ["materialize", "--no-online"], ["train", "m"]):
        _must(run(["featurectl", *words, "-q"], folder, _TIMEOUT_S))
    shown = [sys.executable, "-m", "featurectl", "models", "show", "m", "-o", "json"]
    (folder / "shown.json").write_bytes(subprocess.check_output(shown, cwd=folder))  # noqa: S603
    _must(run(_command("out.parquet", memory), folder, _TIMEOUT_S))  # it compiles, and bare compares its scores
    joined = ["featurectl", "training-set", "m", "--spine", "rows.parquet", "--out", "joined.parquet"]
    _must(run(joined, folder, _TIMEOUT_S))
    turns = [_turn(folder, memory) for _ in range(runs)]
    _killed_after(folder, turns[0].compiled.seconds / 2, memory)
    again = _must(run(_command("again.parquet", memory), folder, _TIMEOUT_S))
    digests = {_digest(folder / name) for name in ("out.parquet", "library.parquet", "again.parquet")}
    print("| work | time | rows/s | CPU | peak |\n|---|---|---|---|---|")
    middle = sorted(turns, key=lambda turn: turn.ratio(turn.compiled))[runs // 2]
    print(f"| bare library | {middle.bare_s:.1f} s | {rows / middle.bare_s:,.0f} | {middle.bare_cpu_s:.1f} s | |")
    print(_line("score, compiled loops", rows, middle.compiled))
    print(_line("score, by the library", rows, middle.library))
    print(_line("compiled, killed half-way, continued", rows, again))
    for name, costs in (("compiled loops", [t.compiled for t in turns]), ("the library", [t.library for t in turns])):
        ratios = sorted(turn.ratio(cost) for turn, cost in zip(turns, costs, strict=True))
        print(
            f"score by {name} has {ratios[runs // 2]:.2f} of the bare library's speed ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    print(f"scores equal to the bit: {all(turn.same for turn in turns)}; files equal: {len(digests) == 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the three took, one after the other."""

    compiled: Cost
    library: Cost
    bare_s: float
    bare_cpu_s: float
    same: bool

    def ratio(self, cost: Cost) -> float:
        """Return the speed of a run as a share of the bare library's."""
        return self.bare_s / cost.seconds


def _turn(folder: Path, memory: str) -> Turn:
    compiled = _must(run(_command("out.parquet", memory), folder, _TIMEOUT_S))
    program = folder / "by_library.py"
    program.write_text(_BY_LIBRARY)
    words = [str(program), *_command("library.parquet", memory)[1:]]
    library = _must(run(words, folder, _TIMEOUT_S, python=sys.executable))
    alone = [sys.executable, "-m", "benchmarks.score", "--bare", str(folder)]
    found = json.loads(subprocess.check_output(alone, cwd=ROOT))  # noqa: S603
    return Turn(
        compiled=compiled, library=library, bare_s=found["seconds"], bare_cpu_s=found["cpu"], same=found["same"]
    )


def _line(work: str, rows: int, cost: Cost) -> str:
    rate = rows / cost.seconds
    return f"| {work} | {cost.seconds:.1f} s | {rate:,.0f} | {cost.cpu_seconds:.1f} s | {cost.peak_mb:,.0f} MiB |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(Path(sys.argv[2]))
    else:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), count, int((sys.argv[2:3] or ["3"])[0]), (sys.argv[3:4] or [""])[0])
