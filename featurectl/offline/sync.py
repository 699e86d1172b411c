"""See that what was written outlives a loss of power: nothing names a file before its bytes are on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_HAS_NO_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # of folders, as of some file systems over a network


def sync_path(path: Path) -> None:
    """See that the content of a file, or the names in a folder, would outlive a loss of power.

    Raises:
        OSError: it can't be known; a disk that is full may say so only now.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_names(folder: Path, top: Path) -> None:
    """See that the names in a folder, and its own and those of the folders above it up to `top`, would outlive it.

    Of a file system that syncs no folders nothing more can be had.
    """
    for each in [folder, *folder.parents]:
        try:
            sync_path(each)
        except OSError as error:
            if error.errno not in _HAS_NO_SYNC:
                raise
        if each == top:
            return


def sync_files(files: Iterable[Path]) -> None:
    """See that the content of some files would outlive it; one that is gone by now needs none."""
    for file in files:
        try:
            sync_path(file)
        except FileNotFoundError:
            continue
