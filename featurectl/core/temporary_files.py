"""Files and folders under names of their own beside what they are to become: whole, or never seen."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape as glob_escape
from pathlib import Path
from typing import Final

from featurectl.core.host import HOST

_WRITABLE: Final = stat.S_IRUSR | stat.S_IWUSR
_LONGEST: Final = 40  # characters of a path's name that stand in the one beside it: names have an end


@contextmanager
def temporary_beside(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Give a new file, or a new folder, beside a path, which is removed unless the body has given it another name.

    Nobody can know its name before, so that no link waits there. It may be read by whom the file at the path may be
    read by, or else by whom the umask says. Its name says which process made it: what one left that was killed is
    removed by the next at the same place.
    """
    _remove_orphans(path)
    made = path.absolute().parent / f".{path.name[:_LONGEST]}.{HOST}-{os.getpid()}-{os.urandom(8).hex()}"
    with _new_folder(made) if folder else _new_file(made, _mode_of(path)):
        try:
            yield made
        finally:
            _remove(made)


def is_running(process: int) -> bool:
    """Return whether a process of this machine runs, whoever it belongs to."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _mode_of(path: Path) -> int | None:
    """Return who may read and write the file at a path; None where there is none."""
    with suppress(OSError):
        found = path.stat().st_mode
        return found & 0o777 if stat.S_ISREG(found) else None
    return None


@contextmanager
def _new_folder(path: Path) -> Iterator[None]:
    path.mkdir()
    yield


@contextmanager
def _new_file(path: Path, mode: int | None) -> Iterator[None]:
    """Make a file with a mode; until the body ends its owner may write it at least, which is done by its name."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else mode & _WRITABLE)
    try:
        if mode is not None:
            os.fchmod(handle, mode | _WRITABLE)
        yield
        if mode is not None and mode & _WRITABLE != _WRITABLE:
            os.fchmod(handle, mode)
    finally:
        os.close(handle)


def _remove_orphans(path: Path) -> None:
    begin = f".{path.name[:_LONGEST]}.{HOST}-"
    name = re.compile(re.escape(begin) + r"(\d+)-\w+")
    for other in path.absolute().parent.glob(f"{glob_escape(begin)}*"):
        found = name.fullmatch(other.name)
        if found and int(found[1]) != os.getpid() and not is_running(int(found[1])):
            _remove(other)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
