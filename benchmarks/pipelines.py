"""What a run of a pipeline adds to its stages: `python -m benchmarks.pipelines [DIR]`.

A pipeline of eight stages that do nothing (`featurectl version`), each after the one before, and the same eight side by
side, against the same commands one after the other without a pipeline. Medians of five.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.pipelines.repository import write_repository

_STAGES: Final = 8
_TIMES: Final = 5
_COMMAND: Final = [sys.executable, "-m", "featurectl"]


def main(folder: Path) -> None:
    """Print a line for each way."""
    stages = [f"s{number}" for number in range(_STAGES)]
    after = ["", *(f", needs: [{name}]" for name in stages)]
    chain = "\n".join(f"      - {{name: {s}, run: version{n}}}" for s, n in zip(stages, after, strict=False))
    beside = "\n".join(f"      - {{name: {s}, run: version, resources: {{cpu: 0.1}}}}" for s in stages)
    write_repository(
        folder,
        f"pipelines:\n  - name: chain\n    stages:\n{chain}\n  - name: beside\n    stages:\n{beside}\n",
    )
    alone = _median(folder, [["version"]] * _STAGES)
    ways = {"eight commands, one after the other": alone}
    ways |= {f"pipeline run {name}": _median(folder, [["pipeline", "run", name, "-q"]]) for name in ("chain", "beside")}
    print("| way | seconds | beyond the commands |\n|---|---|---|")
    for way, seconds in ways.items():
        print(f"| {way} | {seconds:.2f} | {seconds - alone:+.2f} |")


def _median(folder: Path, commands: list[list[str]]) -> float:
    return statistics.median(_seconds(folder, commands) for _ in range(_TIMES))


def _seconds(folder: Path, commands: list[list[str]]) -> float:
    begin = time.perf_counter()
    for words in commands:
        subprocess.run([*_COMMAND, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (ours)
    return time.perf_counter() - begin


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
