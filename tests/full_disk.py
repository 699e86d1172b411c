"""A process that runs a command on a disk that is full.

No file can be made longer than so many bytes. That is a limit that every user may set, and what libraries get then is
what a full disk gives them: a write that fails, in the middle of a file (EFBIG for ENOSPC).
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Sequence

from featurectl.cli.main import main
from tests.warm import WarmProcess


def limited(limit: int, words: Sequence[str]) -> tuple[int, str]:
    """Run a command in a process of its own, where files can't be longer; return its exit code and its output."""
    with WarmProcess(_run, limit, words, environ={"POLARS_MAX_THREADS": "2"}) as process:
        return process.end()


def _run(limit: int, words: Sequence[str]) -> int:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    return main(words)
