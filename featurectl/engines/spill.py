"""Folders for rows that do not fit into memory, gone when the work is done."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from featurectl.core.errors import UsageError
from featurectl.core.temporary_files import is_running

_NAME: Final = "spill-"
_open: set[str] = set()  # the folders of this process
_lock = threading.Lock()


def spill_folder(root: Path) -> Path:
    """Return where rows of a repository may lie that do not fit into memory."""
    return root / ".featurectl" / "spill"


class SpillRoom:
    """Makes folders below one of its own, which is made when it is first needed and removed at the end.

    What a process left that was killed is removed by the next at the same place. `on_rows` is given the number of rows
    of each batch that is read while the room is open.
    """

    def __init__(self, parent: Path | None = None, on_rows: Callable[[int], None] | None = None) -> None:
        self.on_rows = on_rows or (lambda _: None)
        self._parent = parent
        self._own: Path | None = None

    def folder(self) -> Path:
        """Return a new empty folder.

        Raises:
            UsageError: none may be made there.
        """
        if self._own is None:
            self._own = self._make()
        return Path(tempfile.mkdtemp(dir=self._own))

    def _make(self) -> Path:
        try:
            if self._parent is not None:
                self._parent.mkdir(parents=True, exist_ok=True)
            with _lock:
                made = Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-", dir=self._parent))
                _open.add(made.name)
                return made
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            message = f"{self._parent}, for rows that do not fit into memory, can't be made: {error.strerror}"
            raise UsageError(
                message, hint="let the repository's .featurectl be a folder that may be written"
            ) from error

    def __enter__(self) -> Self:
        if self._parent is not None:
            with _lock:
                _remove_orphans(self._parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            _open.discard(self._own.name)
            self._own = None


def _remove_orphans(parent: Path) -> None:
    for path in parent.glob(f"{_NAME}*"):
        number = path.name.removeprefix(_NAME).partition("-")[0]
        is_own = number == str(os.getpid())  # in a container each process may have the number of the one of before
        if number.isdigit() and (path.name not in _open if is_own else not is_running(int(number))):
            shutil.rmtree(path, ignore_errors=True)
