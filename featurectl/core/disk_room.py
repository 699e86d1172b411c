"""Whether a disk is full: what its libraries say of that, and what is to be done."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Callable
from typing import Final

from featurectl.core.errors import FeaturectlError, StoreError, UsageError

FULL_HINT: Final = "make room on the disk, then run it again: what was not written whole was not written at all"
WRITABLE_HINT: Final = "an SQLite file and its folder must be writable, to read it without -wal and -shm, too"
_FULL_CODES: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SQLITE: Final = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN", "SQLITE_IOERR_WRITE")
_FULL_TEXTS: Final = tuple(os.strerror(code) for code in _FULL_CODES)
_FULL: Final = re.compile("|".join(map(re.escape, _FULL_TEXTS)), re.IGNORECASE)


def is_full(error: BaseException) -> bool:
    """Return whether a failure is that there is no room: on the disk, in the user's share of it, in a file.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(OSError(errno.EACCES, "Permission denied"))
    (True, False)
    """
    said = getattr(error, "sqlite_errorname", "")
    return said in _SQLITE or getattr(error, "errno", None) in _FULL_CODES or _FULL.search(str(error)) is not None


def write_failure(what: str, error: Exception) -> FeaturectlError:
    """Return the error that a file of the user's can't be written, as `what` says: of the store where its disk is full.

    >>> write_failure("scores.csv can't be written", OSError(errno.ENOSPC, "No space left on device")).hint == FULL_HINT
    True
    """
    said = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    if is_full(error):
        return StoreError(f"{what}: {said}", hint=FULL_HINT)
    return UsageError(f"{what}: {said}")


def sqlite_failure(error: sqlite3.Error | OSError) -> str:
    """Return what an SQLite file fails of; of a full disk SQLite says "disk I/O error" where it is a file beside it."""
    said = str(getattr(error, "strerror", "") or error)
    return said if not is_full(error) or "full" in said else f"the disk is full ({said})"


def open_crowded(opened: Callable[[], sqlite3.Connection]) -> tuple[sqlite3.Connection, bool]:
    """Return a connection to an SQLite file, and whether its disk has no room for the `-shm` that readers share.

    It holds the file for itself then, with what it needs of that in memory: it is closed after every use, for all
    others are locked out as long as it is open.
    """
    connection = opened()
    try:
        connection.execute("select 1 from sqlite_master limit 1").fetchone()
    except sqlite3.Error as error:
        if not is_full(error):  # whoever uses it hears of it
            return connection, False
    else:
        return connection, False
    connection.close()  # it goes on failing, and locks the file
    alone = opened()
    alone.execute("pragma locking_mode = exclusive")
    return alone, True


def hint_of(error: BaseException) -> str:
    """Return what helps against a full disk, or one where SQLite may not write; empty for another failure."""
    if is_full(error):
        return FULL_HINT
    name = getattr(error, "sqlite_errorname", "")
    return WRITABLE_HINT if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) else ""
