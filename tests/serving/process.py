"""A server as a process of its own: a fork of one that has imported the package, or as somebody starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from featurectl.cli.main import entry
from tests import web
from tests.servers.redis import free_port
from tests.warm import WarmProcess

START_LIMIT_S = 120


class AnyProcess(Protocol):
    """What can be done to a process, as `subprocess` has it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Process:
    """A running server: its URL, its process, what it has written to stderr so far."""

    url: str
    process: AnyProcess
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
    is_cold: bool = False,
) -> Iterator[Process]:
    """Start `featurectl serve` over a repository, wait until it answers, and end it afterwards.

    `until` "/ready": what it serves is loaded; "/health": the port is open. `is_cold`: it imports all by itself, and
    ends as a program does.
    """
    port, log = port or free_port(), root / f"serve-{time.monotonic_ns()}.log"
    words = ["serve", "-C", str(root), "--port", str(port), "--drain", "0s", *options]
    process = _cold(words, log, environ or {}) if is_cold else Fork(words, log, environ or {})
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


def _cold(words: Sequence[str], log: Path, environ: Mapping[str, str]) -> AnyProcess:
    command, variables = [sys.executable, "-m", "featurectl", *words], {**os.environ, **environ}
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=variables, start_new_session=True)


class Fork:
    """A command line in a warm process, of a session of its own."""

    def __init__(self, words: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        log.touch()
        self._process = WarmProcess(_run, list(words), str(log), environ=environ)
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exit_code()

    def wait(self, timeout: float | None = None) -> int:
        code = self._process.exit_code(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("featurectl serve", timeout or 0.0)
        self._process.close()
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(words: list[str], log: str) -> None:
    """Run a command line as the process's own, with what it writes in a file."""
    os.setsid()
    with Path(log).open("wb") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    sys.argv = ["featurectl", *words]
    entry()


def _wait_for(url: str, process: AnyProcess, log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            if web.get(url, timeout=20).json().get("serial", 0) is not None:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
