"""Real stores that come back from an older snapshot, as `Losses`."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path


class SqliteLosses:
    """A file that is put back as it was."""

    masters = [""]  # noqa: RUF012

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = path.with_suffix(".kept")

    def key_of(self, entity: int) -> bytes:
        return b"i1:%d" % entity

    def keep(self, m: int) -> None:  # noqa: ARG002
        self._kept.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._path)) as there, closing(sqlite3.connect(self._kept)) as kept:
            there.backup(kept)

    def restore(self, m: int) -> None:  # noqa: ARG002
        copy = self._path.with_suffix(".copy")
        copy.write_bytes(self._kept.read_bytes())
        for beside in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{beside}").unlink()
        copy.replace(self._path)
