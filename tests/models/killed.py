"""Runs a command in a process of its own that dies at the nth of its writes: files, folders, statements of SQL."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm  # noqa: F401 (loaded once, before the processes are made)
import sklearn.ensemble  # noqa: F401
from sqlalchemy import event
from sqlalchemy.engine import Engine

from featurectl.cli.main import main
from featurectl.engines.polars import engine  # noqa: F401
from featurectl.operations.training import train  # noqa: F401
from featurectl.registry import sql  # noqa: F401

_MOVES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "os.link")
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def run_until(root: Path, words: Sequence[str], number: int) -> tuple[int | None, int]:
    """Return the exit code of a command that dies at its `number`th write (0: at none), and how many it came to."""
    count = _CONTEXT.Value("i", 0)
    process = _CONTEXT.Process(target=_run, args=(root, words, number, count))
    process.start()
    process.join()
    return process.exitcode, count.value


def _run(root: Path, words: Sequence[str], number: int, count: Any) -> None:
    os.chdir(root)
    inside = str(root)

    def write() -> None:
        count.value += 1
        if count.value == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def seen(name: str, told: tuple[Any, ...]) -> None:
        if name == "open":
            path, _, flags = told
            if (
                isinstance(path, str)
                and inside in str(Path(path).absolute())
                and (flags or 0) & (os.O_WRONLY | os.O_RDWR)
            ):
                write()
        elif name in _MOVES and any(isinstance(part, str) and inside in str(Path(part).absolute()) for part in told):
            write()

    sys.addaudithook(seen)
    event.listen(Engine, "before_cursor_execute", lambda *_: write())
    event.listen(Engine, "commit", lambda *_: write())
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  # as long as the process
    raise SystemExit(main([*words, "-q"]))
