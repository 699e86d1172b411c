"""The SQLite file of an online store: opened when it is first used, and the one that lies at its path."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

from featurectl.core.disk_room import open_crowded

_PAUSE_S: Final = 0.01


class DatabaseFile:
    """A file in WAL mode with some tables, made when it is not there yet; its failures are raised as they are.

    SQLite reads on in a file that was moved or replaced, which nobody writes any more. `is_another` sees that.
    """

    def __init__(self, path: Path, wait_s: float, tables: str, *, of_one_thread: bool = True) -> None:
        self.path = path
        self._of_one_thread = of_one_thread
        self._wait_s = wait_s
        self._tables = tables
        self._opened: sqlite3.Connection | None = None
        self._crowded = False
        self._identity: tuple[int, int] | None = None  # of the file that was opened last

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection to the file."""
        if self._opened is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection, self._crowded = open_crowded(
                lambda: sqlite3.connect(
                    self.path, timeout=self._wait_s, isolation_level=None, check_same_thread=self._of_one_thread
                )
            )
            try:
                self._use_wal(connection)
                connection.execute("pragma synchronous = normal")
                connection.execute("pragma secure_delete = on")  # what is removed is overwritten where it lies
                connection.executescript(self._tables)
                self._identity = self._lying_there()
            except (sqlite3.Error, OSError):
                connection.close()
                raise
            self._opened = connection
        return self._opened

    @property
    def identity(self) -> str:
        """What tells the file that was opened last from any other at its path."""
        return "{}:{}".format(*self._identity or (0, 0))

    def is_another(self) -> bool:
        """Return whether another file lies at the path than the one that was opened, which is closed then.

        Raises:
            OSError: none does; a new one is not made, for whoever reads it would find nothing.
        """
        if self._identity is None or self._lying_there() == self._identity:
            return False
        self._forget()
        return True

    def release(self) -> None:
        """Close the file where its disk is full, for it keeps others out; not in the middle of a transaction."""
        if self._crowded and self._opened is not None and not self._opened.in_transaction:
            self._forget()

    def wipe(self) -> None:
        """Write the file anew, without what was removed or replaced, and empty the log beside it.

        Raises:
            sqlite3.OperationalError: it is locked: others write, or read as of before, for too long.
        """
        connection = self.connection
        connection.execute("vacuum")
        end_s = time.monotonic() + self._wait_s
        while connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
            if time.monotonic() > end_s:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Close the file; it is not opened again."""
        if self._opened is not None:
            self._opened.close()

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Have a file in WAL mode; while another connection makes it so SQLite refuses at once, and is asked again."""
        end_s = time.monotonic() + self._wait_s
        while True:
            try:
                connection.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end_s:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def _lying_there(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError as error:
            self._forget()
            raise FileNotFoundError("the file was moved or removed") from error
        return found.st_dev, found.st_ino

    def _forget(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
