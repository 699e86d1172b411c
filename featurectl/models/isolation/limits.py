"""How much a process may take that reads a model's file: memory, time, and no file of what it was when it died."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Final

LEAST_MEMORY: Final = 2 << 30  # the libraries themselves take most of one
SECONDS: Final = 300.0
_PARENT_DEATH: Final = 1  # of Linux' prctl


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """What a process may take: bytes of memory, and seconds for each answer."""

    memory_bytes: int = LEAST_MEMORY
    seconds: float = SECONDS


def limits_of(memory_bytes: int) -> ProcessLimits:
    """Return the limits of a command that may use so much memory."""
    return ProcessLimits(memory_bytes=max(memory_bytes, LEAST_MEMORY))


def set_limits(memory_bytes: int) -> None:
    """Bound this process, and have it end with the one that started it.

    Memory is what is written to: threads reserve far more addresses than they use. macOS does not keep to it.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C, which ends the one that started it
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
