"""CPU, wall time and memory of validate, plan, apply and looking, on a repository of 200 views of 20 features each.

python -m benchmarks.big_repository [RUNS] [--one-file]        measure; medians of RUNS (5) runs
python -m benchmarks.big_repository --write DIR [--one-file]   write the repository and leave it there

Every command is a whole process, its bytecode compiled beforehand. Every view has a `where` and expressions; their
constants and columns differ from view to view, so that nothing is gained by having seen a text before. Sources
declare their columns; their files are there, with no rows.
"""

from __future__ import annotations

import compileall
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

import featurectl

VIEWS, ENTITIES, SOURCES, MODELS = 200, 20, 40, 4
WINDOWS = "[1h, 1d, 7d]"
MEASURED = (  # a label, the command line, and the exit code that is right; each run begins without a registry
    ("validate", "validate", 0),
    ("plan", "plan", 0),
    ("first apply", "apply --auto-approve", 0),
    ("no-op apply", "apply --auto-approve", 0),
    ("plan after apply", "plan --detailed-exitcode", 0),
    ("list", "list", 0),
    ("list features", "list features", 0),
    ("show a view", "show view_000", 0),
    ("search", "search amount", 0),
    ("lineage", "lineage view_000", 0),
)
COLUMNS = {
    "happened_at": "timestamp", "reported_at": "timestamp", "kind": "string", "country": "string", "amount": "float64",
    "fee": "float64", "balance": "float64", "items": "int64", "retries": "int64", "is_refund": "bool", "opened_on": "date",
}  # fmt: skip
TYPES = {
    "timestamp": pl.Datetime("us", "UTC"), "string": pl.String, "float64": pl.Float64, "int64": pl.Int64,
    "bool": pl.Boolean, "date": pl.Date,
}  # fmt: skip
PROJECT = """\
project: big
environments:
  dev:
    registry: sqlite:///.featurectl/registry.db
    offline: .featurectl/offline
    online: sqlite:///.featurectl/online.db
    now: 2026-01-01T00:00:00Z
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost: CPU is user and system time of it and its children, memory its greatest resident size."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def entity(number: int) -> str:
    """Return an entity with one key."""
    return f"""\
  - name: entity_{number:02}
    keys: {{entity_{number:02}_id: {"string" if number % 2 else "int64"}}}
    description: What the events of entity {number} are about.
    owner: team{number % 5}@example.com
"""


def columns(number: int) -> dict[str, str]:
    """Return the columns of a source with their types."""
    key, dtype = f"entity_{number % ENTITIES:02}_id", "string" if number % ENTITIES % 2 else "int64"
    return {key: dtype} | COLUMNS


def source(number: int) -> str:
    """Return a source with the key of one entity, its clocks, and declared columns."""
    declared = "\n      ".join(f"{name}: {word}" for name, word in columns(number).items())
    return f"""\
  - name: events_{number:02}
    description: One row an event of kind {number}.
    path: data/events_{number:02}/*.parquet
    event_time: happened_at
    available_at: reported_at
    columns:
      {declared}
    select:
      net: amount - fee
      large: amount > {100 + number}.5
    freshness: {{warn_after: 1d, error_after: 3d}}
"""


def view(number: int) -> str:
    """Return a view of 20 features: aggregates for the even numbers, latest rows for the odd ones."""
    head = f"""\
  - name: view_{number:03}
    description: What is known of entity {number % ENTITIES} by rule {number}.
    entity: entity_{number % ENTITIES:02}
    source: events_{number % SOURCES:02}
    where: amount > {number} and country in ('DE', 'FR', 'C{number}') and not is_refund
    owner: team{number % 5}@example.com
    tags: [team{number % 5}, generated]
"""
    return head + (state_features(number) if number % 2 else aggregates(number))


def aggregates(number: int) -> str:
    """Return 18 aggregates and 2 features derived of them."""
    return f"""\
    aggregates:
      - {{op: count, windows: {WINDOWS}}}
      - {{column: amount, op: [mean, max], windows: {WINDOWS}}}
      - column: net
        op: [sum, min]
        windows: {WINDOWS}
        description: Money after fees.
      - {{column: large, op: mean, windows: {WINDOWS}, name: large_rate, where: "items > {number % 7} or retries = 0"}}
    derived:
      - {{name: amount_trend, expr: amount_mean_1d / amount_mean_7d - {number}}}
      - name: busy
        expr: case when count_1h > {number % 9} then count_1h * 24.0 / count_1d else 0.0 end
        description: How much more happens now than usual.
    freshness: {{warn_after: 6h, error_after: 1d}}
    refresh: 1h
"""


def state_features(number: int) -> str:
    """Return 6 columns, 12 features with an expression, and 2 derived of them."""
    made = "".join(
        f"      - {{name: scaled_{n:02}, expr: (amount - {number}.{n}) / (fee + {n + 1}), default: 0.0}}\n"
        for n in range(8)
    )
    return f"""\
    ttl: 30d
    features:
      - kind
      - country
      - amount
      - balance
      - items
      - large
{made}\
      - {{name: is_home, expr: "country = 'C{number}' or kind in ('a', 'b')"}}
      - {{name: bucket_of_amount, expr: floor(amount / {number + 10})}}
      - name: label
        expr: upper(coalesce(kind, 'none')) || '_{number}'
        description: The kind, as the old system wrote it.
      - {{name: open_days, expr: "seconds_between(opened_on::timestamp, happened_at) / 86400"}}
    derived:
      - {{name: share, expr: "amount / nullif(balance, {number})"}}
      - {{name: rich, expr: balance > {number * 10} and items >= 1}}
"""


def model(number: int) -> str:
    """Return a model over ten views of one entity."""
    names = [f"view_{n:03}" for n in range(VIEWS) if n % ENTITIES == number][:10]
    chosen = "".join(
        f"      - {{view: {name}, prefix: v{at}_, features: {picked(name)}}}\n" for at, name in enumerate(names)
    )
    return f"""\
  - name: model_{number}
    description: Will the next event be refunded?
    spine:
      source: events_{number:02}
      time: happened_at
      where: amount > {number}
      label: {{name: refunded, expr: is_refund}}
    features:
{chosen}\
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {{max_depth: 6, learning_rate: 0.1}}
      validation: {{split: time, fraction: 0.25}}
"""


def picked(name: str) -> str:
    """Return the features of a view that a model reads."""
    if int(name[-3:]) % 2:
        return "[amount, scaled_01, scaled_02, is_home, share]"
    return "[count_1d, amount_mean_7d, large_rate_7d, amount_trend]"


def write_repository(root: Path, *, one_file: bool) -> None:
    """Write the repository: a file a view and one for each other kind, or everything in one file."""
    parts = {
        "entities": {"entities": [entity(n) for n in range(ENTITIES)]},
        "sources": {"sources": [source(n) for n in range(SOURCES)]},
        "feature_views": {f"views/view_{n:03}": [view(n)] for n in range(VIEWS)},
        "models": {"models": [model(n) for n in range(MODELS)]},
    }
    (root / "views").mkdir(parents=True)
    for number in range(SOURCES):
        folder = root / "data" / f"events_{number:02}"
        folder.mkdir(parents=True)
        schema = {name: TYPES[word] for name, word in columns(number).items()}
        pl.DataFrame(schema=schema).write_parquet(folder / "part-0.parquet")
    (root / "featurectl.yaml").write_text(PROJECT)
    if one_file:
        texts = (f"{key}:\n" + "".join("".join(found) for found in files.values()) for key, files in parts.items())
        (root / "all.yaml").write_text("\n".join(texts))
        return
    for key, files in parts.items():
        for name, found in files.items():
            (root / f"{name}.yaml").write_text(f"{key}:\n" + "".join(found))


def once(arguments: str, root: Path, expected: int) -> Cost:
    """Run a command as a process of its own and return what it cost.

    Raises:
        SystemExit: it ends with another code than the expected one.
    """
    command = [sys.executable, "-m", "featurectl", *arguments.split()]
    with tempfile.TemporaryFile("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=root, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected:
            output.seek(0)
            raise SystemExit(f"featurectl {arguments}: exit {process.returncode}\n{output.read()[-2_000:]}")
    return Cost(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1e3)


def measure(root: Path, runs: int) -> dict[str, list[Cost]]:
    """Return what each command cost in each run; a run begins without registry and stores."""
    found: dict[str, list[Cost]] = {label: [] for label, _, _ in MEASURED}
    for _ in range(runs + 1):
        shutil.rmtree(root / ".featurectl", ignore_errors=True)
        for label, arguments, expected in MEASURED:
            found[label].append(once(arguments, root, expected))
    return {label: costs[1:] for label, costs in found.items()}  # the first run warms the disk's cache


def main(words: list[str]) -> int:
    """Write the repository, or measure and print a line a command."""
    one_file = "--one-file" in words
    if "--write" in words:
        write_repository(Path(words[words.index("--write") + 1]), one_file=one_file)
        return 0
    runs = next((int(word) for word in words if word.isdigit()), 5)
    compileall.compile_dir(Path(featurectl.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "big"
        write_repository(root, one_file=one_file)
        files = list(root.rglob("*.yaml"))
        size = sum(file.stat().st_size for file in files) / 1e6
        print(f"{VIEWS} views of 20 features, {len(files)} files, {size:.2f} MB of YAML; medians of {runs} runs")
        print(f"{'command':<20}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}")
        for label, costs in measure(root, runs).items():
            cpu, wall, peak = (statistics.median(c) for c in zip(*((c.cpu_s, c.wall_s, c.peak_mb) for c in costs)))
            print(f"{label:<20}{cpu:>8.2f}{wall:>8.2f}{peak:>9.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
