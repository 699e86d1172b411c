"""Programs run as processes of their own: seconds, CPU seconds and peak memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a program took; `failed` says why it did not come to its end."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    failed: str = ""


def run(command: Sequence[str], folder: Path, timeout_s: float, python: str = "") -> Cost:
    """Run a module of this repository in a folder, and return what it took; `python` runs the file of a program."""
    packages = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environ = {**os.environ, "PYTHONPATH": packages, "POLARS_MAX_THREADS": "2"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled once, not at each start
    begin = time.monotonic()
    with (folder / "benchmark.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (our own programs)
            [python, *command] if python else [sys.executable, "-m", *command],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=log,
        )
        peak_kb = 0
        while True:
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.monotonic() - begin
            if pid:
                break
            if seconds > timeout_s:
                process.send_signal(signal.SIGKILL)
                os.wait4(process.pid, 0)
                process.returncode = -9
                return Cost(seconds=seconds, failed=f"not done after {timeout_s:.0f} s")
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
    failed = ""
    if process.returncode:
        failed = (folder / "benchmark.log").read_text(errors="replace").strip().splitlines()[-1:][0][:120]
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(seconds=seconds, cpu_seconds=cpu, peak_mb=(peak_kb or usage.ru_maxrss) / 1024, failed=failed)


def _peak_kb(process: int) -> int:
    """Return the most memory that a process has had so far, 0 where the system does not say.

    What `wait4` gives is no less than what the process had that started it.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the medians of several runs; the first failure where one failed."""
    failed = [cost for cost in costs if cost.failed]
    if failed:
        return failed[0]
    return Cost(
        seconds=median(cost.seconds for cost in costs),
        cpu_seconds=median(cost.cpu_seconds for cost in costs),
        peak_mb=median(cost.peak_mb for cost in costs),
    )
