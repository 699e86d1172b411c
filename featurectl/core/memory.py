"""How much memory a command may use."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LEAST: Final = 512 << 20  # that a command can keep to: what is asked for may be no less
_WITHOUT_ROWS: Final = 280 << 20  # Python and the libraries, and what they keep of memory that was given back
_SMALL: Final = 2 << 30
_OF_A_THREAD: Final = 256 << 20
_MORSEL_ROWS: Final = 1 << 15  # that Polars works on at a time; 100,000 by itself, of which a dozen are under way
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc's mallopt
_ALONE: Final = 1 << 20  # what is no smaller is given back once it is freed, wherever it lies
_ARENAS: Final = 2
_KEPT: Final = 4 << 20  # of a server, between two requests
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNKNOWN: Final = 4 << 30  # where the system does not say what is free


def parse_size(text: str) -> int | None:
    """Return a size in bytes, or None when the text is none; units are powers of 1,024.

    >>> parse_size("4GiB"), parse_size("512M"), parse_size("1.5 G"), parse_size("lots")
    (4294967296, 536870912, 1610612736, None)
    """
    found = _SIZE.fullmatch(text.strip())
    return int(float(found[1]) * _UNITS[found[2].upper()]) if found else None


def memory_of_rows(size: int) -> int:
    """Return how much of a command's memory is left for rows.

    >>> memory_of_rows(512 << 20) >> 20
    232
    """
    return max(size, LEAST) - _WITHOUT_ROWS


def prepare_for(size: int) -> None:
    """Have the libraries use little memory of their own where a command has little; nothing when they are loaded.

    Polars reads row groups of a file ahead, and each of its threads keeps memory that it freed: one group, fewer rows
    at a time, fewer threads, and a shorter time. Arrays of numpy would lie in an arena a thread, between others that
    are still needed. What the environment says itself stays.
    """
    if not 0 < size < _SMALL or "polars" in sys.modules:
        return
    threads = max(min(os.cpu_count() or 1, size // _OF_A_THREAD), 1)
    os.environ.setdefault("POLARS_MAX_THREADS", str(threads))
    os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", "1")
    os.environ.setdefault("POLARS_IDEAL_MORSEL_SIZE", str(_MORSEL_ROWS))
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:100,muzzy_decay_ms:0")
    _set_up_malloc({"MALLOC_MMAP_THRESHOLD_": (_MMAP_THRESHOLD, _ALONE), "MALLOC_ARENA_MAX": (_ARENA_MAX, _ARENAS)})


def keep_between_requests() -> None:
    """Have the C library keep some memory that was freed: a server's next request needs as much again.

    Else the system takes it, and gives other pages, each of which it fills with zeros first.
    """
    options = {"MALLOC_MMAP_THRESHOLD_": (_MMAP_THRESHOLD, _ALONE), "MALLOC_TRIM_THRESHOLD_": (_TRIM_THRESHOLD, _KEPT)}
    _set_up_malloc(options)


def _set_up_malloc(options: Mapping[str, tuple[int, int]]) -> None:
    """Set options of the C library's memory by their names in the environment, where it is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, option in options.items():
        if mallopt is not None and name not in os.environ:
            mallopt(*option)


def free_memory() -> int:
    """Return the bytes that this process can still have: what the system has free, within the control group's limit."""
    return min((size for size in (_system(), _group()) if size is not None), default=_UNKNOWN)


def give_back() -> None:
    """Give memory that was freed back to the system, where the C library keeps it (glibc) and can be made to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _system() -> int | None:
    found = re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"))
    return int(found[1]) << 10 if found else None


def _group() -> int | None:
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    return max(int(limit) - int(used), 0) if limit.isdigit() and used.isdigit() else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
