"""How long `pipeline render --check` of fifty pipelines takes, by target: `python -m benchmarks.rendered_files [DIR]`.

The whole command, its start and the reading of the files with it. Medians of five.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from featurectl.pipelines.render.targets import PIPELINE_TARGETS
from tests.pipelines.repository import write_repository

_PIPELINES: Final = 50
_TIMES: Final = 5
_COMMAND: Final = [sys.executable, "-m", "featurectl", "pipeline", "render"]


def main(folder: Path) -> None:
    """Print a line for each target."""
    stages = (
        "      - {name: features, run: materialize, timeout: 1h}\n      - {name: sync, run: push, needs: [features]}\n"
    )
    each = (f'  - name: p{n}\n    schedule: "{n} 3 * * *"\n    stages:\n{stages}' for n in range(_PIPELINES))
    write_repository(folder, "pipelines:\n" + "".join(each))
    print(f"| `pipeline render --check` of {_PIPELINES} pipelines | seconds |\n|---|---|")
    for target in PIPELINE_TARGETS:
        _run(folder, target)
        seconds = statistics.median(_run(folder, target, "--check") for _ in range(_TIMES))
        print(f"| {target} | {seconds:.2f} |")


def _run(folder: Path, target: str, *more: str) -> float:
    begin = time.perf_counter()
    command = [*_COMMAND, "--to", target, *more]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (ours)
    return time.perf_counter() - begin


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
