"""A server as a process of its own, as somebody starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests import web
from tests.servers.redis import free_port

START_LIMIT_S = 60


@dataclass(frozen=True)
class Process:
    """A running server: its URL, its process, what it has written to stderr so far."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def complaints(self) -> list[str]:
        """Return the lines of the log that tell of anything but what a server does by itself."""
        return [line for line in self.log.read_text().splitlines() if " info " not in line]

    def stop(self) -> int:
        """Tell it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_LIMIT_S)

    def interrupt(self) -> int:
        """Press Ctrl-C, which a terminal tells all processes of the command, and return its exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(START_LIMIT_S)


@contextmanager
def running(
    root: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    port: int | None = None,
    until: str = "/ready",
) -> Iterator[Process]:
    """Start `featurectl serve` over a repository, wait until it answers, and end it afterwards.

    `until` "/ready": what it serves is loaded; "/health": the port is open.
    """
    port, log = port or free_port(), root / f"serve-{time.monotonic_ns()}.log"
    command = [
        sys.executable,
        "-m",
        "featurectl",
        "serve",
        "-C",
        str(root),
        "--port",
        str(port),
        "--drain",
        "0s",
        *options,
    ]
    told = {**os.environ, **(environ or {})}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=told, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}{until}", process, log)
        yield Process(f"http://127.0.0.1:{port}", process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(START_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            if web.get(url, timeout=2).json().get("serial", 0) is not None:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
