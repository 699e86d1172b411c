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

COMMANDS = ["--help", "validate", "validate --no-data", "plan"]


def main() -> int:
    """Print a line per command; 0 when every run did."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        repo = Path(folder) / "flights"
        once([sys.executable, "-m", "featurectl", "init", str(repo)], folder)
        print(f"{'command':<24}{'CPU s':>8}{'wall s':>8}   median of {runs}")
        print("{:<24}{:>8.3f}{:>8.3f}".format("python -c pass", *median([sys.executable, "-c", "pass"], repo, runs)))
        typer = [sys.executable, "-c", "import typer"]
        print("{:<24}{:>8.3f}{:>8.3f}".format("python -c 'import typer'", *median(typer, repo, runs)))
        for command in COMMANDS:
            line = [sys.executable, "-m", "featurectl", *command.split()]
            print("{:<24}{:>8.3f}{:>8.3f}".format(command, *median(line, repo, runs)))
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
