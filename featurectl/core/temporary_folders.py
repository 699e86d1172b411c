"""Folders below that for temporary files, gone when they are done with; what a process left that was killed goes, too.

A process holds a lock in each of its folders, which ends with it however that ends, and which other containers that
share the folder see, too: numbers of processes say nothing there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOCK: Final = ".featurectl.lock"
_BEGIN: Final = "featurectl-"
searched: Final[set[str]] = set()  # where this process has looked for what others left


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Give an empty folder for this user alone, which is removed at the end; `purpose` is a word in its name.

    The first one of a process removes what other processes left that were killed.

    Raises:
        OSError: none can be made.
    """
    import tempfile  # loads random, hashlib and more

    parent = Path(tempfile.gettempdir())
    if str(parent) not in searched:
        searched.add(str(parent))
        remove_abandoned(parent)
    made = Path(tempfile.mkdtemp(prefix=f"{_BEGIN}{purpose}-", dir=parent))
    try:
        with _locked(made):
            inside = made / "files"
            inside.mkdir()
            yield inside
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders below one whose processes are gone; what is another user's stays, without an error."""
    for lock in parent.glob(f"{_BEGIN}*/{LOCK}"):
        with suppress(OSError):
            held = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(held)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which has its name only then: who sees it free may remove the folder.

    Where files have no locks it has none, and stays when its process is killed.
    """
    unnamed = folder / f"{LOCK}.new"
    held = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
            unnamed.rename(folder / LOCK)
        yield
    finally:
        os.close(held)
