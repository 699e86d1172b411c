"""For whom a transaction on a registry waits: it is said after a second, as others may hold it for half a minute."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

_AFTER_S: Final = 1.0
OTHERS: Final = "another process"
_WAL_WRITER: Final = 120  # the byte of a `-shm` file that who writes has locked
_RESERVED: Final = 0x40000001  # that of a file without a write-ahead log
_BLOCKING: Final = """
select pid, application_name, coalesce(host(client_addr), 'this host'), to_char(xact_start, 'HH24:MI:SS')
from pg_stat_activity where pid = any(pg_blocking_pids(:waits)) order by xact_start
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a registry is waited for, in seconds (None: as long as a command may take).

    `say` hears, in a thread of its own, for whom it is waited.
    """

    limit_s: float | None = None
    say: Callable[[str], None] = lambda _: None


PATIENT: Final = Patience()


@contextmanager
def said_after(holder: Callable[[], str], say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Say after a second for whom is waited, as `holder` says ("": nobody), unless this has ended by then.

    It is not said either once what is given was called. What can't be found out is not said.
    """

    def speak() -> None:
        with suppress(SQLAlchemyError, OSError):
            if who := holder():
                say(who)

    timer = threading.Timer(_AFTER_S, speak)
    timer.daemon = True
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()


def file_holder(file: Path) -> str:
    """Return which process writes to a SQLite file, as far as the system says (Linux does)."""
    for path, byte in ((Path(f"{file}-shm"), _WAL_WRITER), (file, _RESERVED)):
        with suppress(OSError, ValueError):
            inode, locks = path.stat().st_ino, Path("/proc/locks").read_text(encoding="utf-8")
            for pid in _writers(locks, inode, byte):
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
                return f"process {pid} ({name})"
    return OTHERS


def _writers(locks: str, inode: int, byte: int) -> Iterator[int]:
    """Yield the processes that have a byte of a file locked for themselves, but this one.

    >>> [*_writers("1: POSIX  ADVISORY  WRITE 7 fe:00:12 120 120", 12, 120)]
    [7]
    """
    for line in locks.splitlines():
        words = line.split()
        if len(words) == 8 and words[3] == "WRITE" and words[5].endswith(f":{inode}"):
            end = float("inf") if words[7] == "EOF" else int(words[7])
            if int(words[6]) <= byte <= end and int(words[4]) != os.getpid():
                yield int(words[4])


def backend_of(connection: Connection) -> int | None:
    """Return the number of the server's process behind a connection; None: it has none."""
    info = getattr(connection.connection.dbapi_connection, "info", None)
    return getattr(info, "backend_pid", None)


def session_holders(engine: Engine, backend: int) -> str:
    """Return which sessions of PostgreSQL another one waits for, "" where it waits for none.

    It is asked by a connection of its own, which ends with it: the engine may have been closed meanwhile.
    """
    with engine.connect() as connection:
        connection.detach()
        rows = connection.execute(text(_BLOCKING), {"waits": backend}).all()
    return ", ".join(
        f"session {pid} of {name or 'a client'} from {host}, since {since}" for pid, name, host, since in rows
    )
