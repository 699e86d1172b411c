"""CPU and wall time of short commands, each in a fresh process: medians of several runs.

python -m benchmarks.start_up [RUNS]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = [
    "pass",
    "import typer",
    "import typer; from pydantic import BaseModel, TypeAdapter",
    "import typer, polars, deltalake; from pydantic import BaseModel, TypeAdapter",
]
COMMANDS = ["--help", "list", "validate", "validate --no-data", "plan", "materialize", "push"]  # with nothing to do


def main() -> int:
    """Print a line per command; 0 when every run did."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        repo = Path(folder) / "flights"
        once([sys.executable, "-m", "featurectl", "init", str(repo)], folder)
        for prepared in ("apply --auto-approve", "materialize"):
            once([sys.executable, "-m", "featurectl", *prepared.split()], repo)
        lines = {f"python -c '{code}'": [sys.executable, "-c", code] for code in BARE}
        lines |= {command: [sys.executable, "-m", "featurectl", *command.split()] for command in COMMANDS}
        print(f"{'CPU s':>8}{'wall s':>8}  command, median of {runs}")
        for shown, line in lines.items():
            cpu, wall = median(line, repo, runs)
            print(f"{cpu:>8.3f}{wall:>8.3f}  {shown}")
    return 0


def median(line: list[str], folder: Path, runs: int) -> tuple[float, float]:
    """Return the median CPU and wall seconds of a command line."""
    found = [once(line, folder) for _ in range(runs)]
    return statistics.median(cpu for cpu, _ in found), statistics.median(wall for _, wall in found)


def once(line: list[str], folder: Path | str) -> tuple[float, float]:
    """Return the CPU and wall seconds of one run."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(line, cwd=folder, check=True, capture_output=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


if __name__ == "__main__":
    sys.exit(main())
