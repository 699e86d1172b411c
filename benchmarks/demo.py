"""The main job on real flights, each step as a user types it, with the seconds that it took.

python -m benchmarks.demo [DIR]        (DIR is made anew; default: demo)
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STEPS = [
    "validate",
    "test",
    "plan",
    "apply --auto-approve",
    "materialize",
    "training-set late_arrival --out train.parquet",
    "train late_arrival_static",
    "train late_arrival",
    "score late_arrival --out scores.parquet",
    "get carrier_arrivals carrier=AA",
    "status",
]
FRESHNESS = "status"  # the data's weather ends a day early, so `status` rightly says STALE and exits 1


@dataclass(frozen=True)
class Step:
    command: str
    seconds: float
    exit_code: int


def main() -> int:
    """Run every step and print a summary; 0 when all of them did what they should."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo").absolute()
    if folder.exists():
        if not (folder / "featurectl.yaml").exists() and any(folder.iterdir()):
            print(f"{folder} holds something else; give another folder")
            return 64
        shutil.rmtree(folder)
    begin = time.perf_counter()
    steps = [run(f"init {folder.name}", folder.parent)]
    for command in STEPS:
        if steps[-1].exit_code and steps[-1].command != FRESHNESS:
            break
        steps.append(run(command, folder))
    summary(folder, steps, time.perf_counter() - begin)
    return max((s.exit_code for s in steps if s.command != FRESHNESS), default=0)


def run(command: str, folder: Path) -> Step:
    """Run one command of featurectl in a folder, its output as it comes."""
    print(f"\n$ featurectl {command}", flush=True)
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "featurectl", *command.split()], cwd=folder, check=False)
    return Step(command, time.perf_counter() - begin, done.returncode)


def ask(command: str, folder: Path) -> dict:
    """Return the JSON result of a command."""
    line = [sys.executable, "-m", "featurectl", *command.split(), "-q", "-o", "json"]
    done = subprocess.run(line, cwd=folder, check=False, capture_output=True, text=True)
    return json.loads(done.stdout)["result"] if done.stdout else {}


def summary(folder: Path, steps: list[Step], seconds: float) -> None:
    """Print what was made and how long each step took."""
    print("\n" + "=" * 72)
    for step in steps:
        print(f"{step.seconds:8.1f} s   exit {step.exit_code}   featurectl {step.command}")
    print(f"{seconds:8.1f} s   in all")
    manifest = folder / "train.parquet.manifest.json"
    if manifest.exists():
        made = json.loads(manifest.read_text())
        print(f"\ntraining set: {made['rows']:,} rows, {len(made['inputs'])} inputs, {len(made['tables'])} views")
    aucs = {}
    for model in ("late_arrival_static", "late_arrival"):
        shown = ask(f"models show {model}", folder)
        if shown:
            aucs[model] = shown["metrics"]["auc"]
            print(f"{model:<20} AUC {aucs[model]:.3f}")
    if len(aucs) == 2:
        gain = aucs["late_arrival"] - aucs["late_arrival_static"]
        print(f"point-in-time features add {gain:.3f}")
    print(f"the repository is in {folder}")


if __name__ == "__main__":
    sys.exit(main())
