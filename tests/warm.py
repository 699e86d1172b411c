"""Processes that need not import the package first: forks of one process that has, made by Python's fork server.

For tests of what processes do to each other's work: that are killed, that meet, that may write no long files. What a
program's start does is for a `subprocess`.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Final, Self

PRELOADED: Final = (
    "lightgbm",
    "onnxruntime",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "featurectl.cli.main",
    "featurectl.cli.commands.apply",
    "featurectl.cli.commands.materialize",
    "featurectl.cli.commands.score",
    "featurectl.cli.commands.serve",
    "featurectl.engines.polars.engine",
    "featurectl.offline.delta",
    "featurectl.online.redis.store",
    "featurectl.online.sqlite.store",
    "featurectl.operations.apply",
    "featurectl.operations.materialize.table_increment",
    "featurectl.operations.push",
    "featurectl.operations.views",
    "featurectl.registry.sql",
    "featurectl.serving.process.start",
    "featurectl.workspace.open",
)


class _Given:
    """A file descriptor that another process is given, where it has a number of its own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[object]]:
        return _take, (DupFd(self.number),)


def _take(given: Any) -> int:
    return int(given.detach())


class WarmProcess:
    """A process that runs a function of a module, with pipes to it and from it; errors are written where output is."""

    def __init__(self, run: Callable[..., object], *args: object, environ: Mapping[str, str] | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        pipes = (_Given(theirs_in), _Given(theirs_out))
        self._process = context.Process(
            target=_begin, args=(run, args, pipes, {**os.environ, **(environ or {})}, Path.cwd())
        )
        self._process.start()
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin = os.fdopen(ours_in, "w")
        self.stdout = os.fdopen(ours_out, "rb", buffering=0)

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """End it where it is."""
        self._process.kill()

    def line(self) -> str:
        """Return the next line that it writes."""
        text = b""
        while not text.endswith(b"\n") and (letter := self.stdout.read(1)):
            text += letter
        return text.decode()

    def exit_code(self, timeout_s: float | None = 0.0) -> int | None:
        """Return its exit code if it ends in time; a negative one is the signal that ended it."""
        self._process.join(timeout_s)
        return self._process.exitcode

    def wait(self) -> int:
        """Return its exit code once it has ended."""
        code = self.exit_code(None)
        assert code is not None
        return code

    def close(self) -> None:
        """Let go its pipes."""
        self.stdin.close()
        self.stdout.close()

    def end(self) -> tuple[int, str]:
        """Give it no more to read, and return its exit code and what it wrote until its end."""
        self.stdin.close()
        with self.stdout:
            written = self.stdout.readall()
        return self.wait(), written.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stdin.close()
        self.wait()
        self.stdout.close()


def _begin(
    run: Callable[..., object],
    args: tuple[object, ...],
    pipes: tuple[int, int],
    environ: Mapping[str, str],
    folder: Path,
) -> None:
    """Run a function in this process, which becomes like one that a command line has started."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, given in enumerate((pipes[0], pipes[1], pipes[1])):
        os.dup2(given, number)
    for given in pipes:
        os.close(given)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # open until the process ends
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), write_through=True)
    raise SystemExit(run(*args))
