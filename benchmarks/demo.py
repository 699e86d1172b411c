"""The main job on real flights, a prediction, and a pipeline that stops: each step as a user types it, with its seconds.

python -m benchmarks.demo [DIR]        (DIR/flights and DIR/outage are made anew; default: demo)

The second part moves the clock by `--as-of`: runs stop on 28 December, an alert fires a day later with the cause, and
resolves once they go on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.demo_server import serve_and_predict

STEPS: Final = (
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
    "verify --store",
    "monitor drift late_arrival --batch flights --since 2013-12-01 --until 2014-01-01",
    "status",
)
ALERTS: Final = """\
notifiers:
  - {name: ops, command: "tee -a told.jsonl"}
alerts:
  - {name: stale, when: freshness > 24h, views: [carrier_arrivals], for: 1h, severity: critical, notify: [ops]}
"""
OUTAGE: Final = (
    "apply --auto-approve -q",
    "materialize carrier_arrivals --as-of 2013-12-28T12:00:00Z -q",
    "monitor check --as-of 2013-12-28T12:05:00Z",
    "monitor check --as-of 2013-12-29T12:00:00Z",
    "monitor check --as-of 2013-12-29T13:00:00Z",
    "why carrier_arrivals --as-of 2013-12-29T13:00:00Z",
    "materialize carrier_arrivals --as-of 2013-12-30T12:00:00Z -q",
    "monitor check --as-of 2013-12-30T12:05:00Z",
)
SLOWEST: Final = 2  # steps that the summary names
HEAD, TAIL = 1, 2  # lines of each output that are shown
FINDS: Final = {  # what rightly exits with 1
    "status": "the data's weather ends a day early",
    STEPS[-2]: "December is not the year",
    OUTAGE[4]: "the alert fires",
    OUTAGE[5]: "the view is stale",
}


@dataclass(frozen=True)
class Step:
    command: str
    seconds: float
    exit_code: int

    @property
    def failed(self) -> bool:
        return self.exit_code != int(self.command in FINDS)


def main() -> int:
    """Run every step of both parts and print a summary; 0 when all of them did what they should."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo").absolute()
    flights, outage = folder / "flights", folder / "outage"
    for repository in (flights, outage):
        if repository.exists() and not (repository / "featurectl.yaml").exists():
            print(f"{repository} holds something else; give another folder")
            return 64
        shutil.rmtree(repository, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    steps = play(flights, STEPS)
    if not any(step.failed for step in steps):
        steps.append(Step(*serve_and_predict(flights, "late_arrival")))
    if not any(step.failed for step in steps):
        print("A pipeline that stops: the clock is moved by --as-of.")
        steps += play(outage, OUTAGE, {"alerts.yaml": ALERTS})
    summary(flights, steps, time.perf_counter() - begin)
    return int(any(step.failed for step in steps))


def play(repository: Path, commands: Sequence[str], files: Mapping[str, str] | None = None) -> list[Step]:
    """Write the template and more files, and run commands in it, until one does not do what it should."""
    steps = [run(f"init {repository.name}", repository.parent)]
    for name, text in (files or {}).items():
        print(f"$ cat {name}\n{text}", end="")
        (repository / name).write_text(text)
    for command in commands:
        if steps[-1].failed:
            break
        steps.append(run(command, repository))
    return steps


def run(command: str, folder: Path) -> Step:
    """Run one command of featurectl in a folder, its output as it comes."""
    print(f"\n$ featurectl {command}", flush=True)
    begin = time.perf_counter()
    line = [sys.executable, "-m", "featurectl", *command.split()]
    with subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        lines = [text.rstrip() for text in process.stdout]
    step = Step(command, time.perf_counter() - begin, process.returncode)
    print("\n".join(lines if step.failed else shortened(lines)))
    if command in FINDS and not step.failed:
        print(f"(exit 1 is right here: {FINDS[command]})")
    return step


def shortened(lines: Sequence[str]) -> list[str]:
    """Return the first and the last lines of an output that have something on them, and how many are left out."""
    shown = [line for line in lines if line]
    if len(shown) <= HEAD + TAIL + 1:
        return shown
    return [*shown[:HEAD], f"... {len(shown) - HEAD - TAIL} more lines ...", *shown[-TAIL:]]


def ask(command: str, folder: Path) -> dict:
    """Return the JSON result of a command."""
    line = [sys.executable, "-m", "featurectl", *command.split(), "-q", "-o", "json"]
    done = subprocess.run(line, cwd=folder, check=False, capture_output=True, text=True)
    return json.loads(done.stdout)["result"] if done.stdout else {}


def summary(folder: Path, steps: list[Step], seconds: float) -> None:
    """Print what was made and how long each step took."""
    for step in sorted(steps, key=lambda step: -step.seconds)[:SLOWEST]:
        print(f"{step.seconds:8.1f} s   featurectl {step.command}")
    print(f"{seconds:8.1f} s   in all, {len(steps)} commands")
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
    print(f"the repositories are in {folder.parent}")


if __name__ == "__main__":
    sys.exit(main())
