"""Closed loops by wrk, where it is installed: it takes a tenth of the processor time of a client in Python."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.serving.load import Result

PROGRAM: Final = "wrk"
_SCRIPT: Final = Path(__file__).with_suffix(".lua")


def is_installed() -> bool:
    """Return whether there is a wrk."""
    return shutil.which(PROGRAM) is not None


def put_load(url: str, body: Path, connections: int, seconds: float, warm: float = 1.0) -> Result:
    """Put load on a server for some seconds, and return what came of it; those of `warm` before are not counted."""
    for told in (warm, seconds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [PROGRAM, "-t1", f"-c{connections}", f"-d{round(told)}s", "--timeout", "5s", "-s", str(_SCRIPT), url]
        ran = subprocess.run(
            command, env={**os.environ, "BODIES": str(body)}, stdout=subprocess.PIPE, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result_of(ran.stdout, cpu_s)


def result_of(said: str, cpu_s: float) -> Result:
    """Return what wrk said at its end; it tells statuses of 400 and above from all others, which count as 200."""
    found = json.loads(next(line for line in reversed(said.splitlines()) if line.startswith("{")))
    count, bad, lost = int(found["requests"]), int(found["status"]), int(found["lost"])
    return Result(
        requests=count,
        per_second=round(count / found["seconds"], 1),
        **{name: found[name] for name in ("p50", "p95", "p99", "p999", "max", "mean")},
        cpu_us=round(1e6 * cpu_s / count, 1) if count else 0.0,
        statuses={"200": count - bad} | ({"other": bad} if bad else {}),
        errors={"lost": lost} if lost else {},
    )
