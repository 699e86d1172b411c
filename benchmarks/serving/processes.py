"""Servers that run beside a benchmark: started on free ports, looked at through /proc, ended afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.pit.measure import ROOT
from benchmarks.serving.load import Result
from tests.servers.redis import free_port

START_LIMIT_S: Final = 90
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Running:
    """A server: its address and its process."""

    url: str
    process: int

    def cpu_s(self) -> float:
        """Return the CPU seconds that it and its children have taken."""
        return sum(_stat(process)[0] for process in _tree(self.process))

    def rss_mb(self) -> float:
        """Return the memory that it and its children have; what they share is counted for each."""
        return sum(_stat(process)[1] for process in _tree(self.process)) / 1e6


def _tree(process: int) -> list[int]:
    children = [Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [process, *(found for child in children[0] for found in _tree(int(child)))]


def _stat(process: int) -> tuple[float, int]:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE


@contextmanager
def ours(folder: Path, online: str, workers: int) -> Iterator[Running]:
    """`featurectl serve` over the repository."""
    port = free_port()
    command = [sys.executable, "-m", "featurectl", "serve", "-C", str(folder), "-q", "--port", str(port)]
    command += ["--workers", str(workers)]
    with started(command, port, {"ONLINE": online}, folder / "serve.log", until="/ready") as running:
        yield running


@contextmanager
def feast(python: str, repo: Path, workers: int) -> Iterator[Running]:
    """Feast's feature server."""
    port = free_port()
    program = [str(Path(python).with_name("feast")), "-c", str(repo), "serve", "--port", str(port)]
    options = ["--workers", str(workers), "--no-access-log", "--max-requests", "0"]
    with started([*program, *options], port, {}, repo / "serve.log") as running:
        yield running


@contextmanager
def started(
    command: Sequence[str], port: int, environ: Mapping[str, str], log: Path, until: str = "/health"
) -> Iterator[Running]:
    """Start a server, wait until it answers what tells that it has begun, and end it afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environ})
    try:
        _wait_for(f"http://127.0.0.1:{port}{until}", process, log)
        yield Running(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return


def start_load(url: str, body: Path, connections: int, seconds: float, rate: float = 0.0) -> subprocess.Popen[bytes]:
    """Start to put load on a server, by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.serving.load", url, "--body", str(body), "--json"]
    command += ["--connections", str(connections), "--seconds", str(seconds), "--rate", str(rate)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def result_of(load: subprocess.Popen[bytes]) -> Result:
    """Wait for a load's end, and return what came of it."""
    out, _ = load.communicate()
    return Result(**json.loads(out))


def read_json(command: Sequence[str], online: str = "") -> dict[str, float]:
    """Return what a program prints."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **({"ONLINE": online} if online else {})}
    return json.loads(subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True).stdout)
