"""Files of a repository's own: regular ones that lie below its root, whatever links lead to them."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final

_PROJECT: Final = "featurectl.yaml"
_KINDS: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotOwnFileError(Exception):
    """The file is none of the repository's own; the text says why, without a word of what is in it."""


class FileTooLargeError(Exception):
    """The file is larger than what is read of one."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size / 1_000_000:.1f} MB")


def read_own_file(root: Path, path: str, most_bytes: int) -> bytes:
    """Return the content of a regular file below the root; nothing else is opened, so that nothing blocks or answers.

    Links may lead to it as long as they end below the root.

    Raises:
        NotOwnFileError: it lies elsewhere, or is no regular file.
        FileTooLargeError: it has more bytes than that.
        OSError: there is none, or it can't be read.
    """
    real = _own_place(root, path)
    _check_regular(os.lstat(real).st_mode)
    return _read(os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)), most_bytes)


def read_regular_file(path: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file that somebody names, wherever it is: no pipe or device, which has no end.

    Raises:
        NotOwnFileError: it is no regular file.
        FileTooLargeError: it has more bytes than that.
        OSError: there is none, or it can't be read.
    """
    _check_regular(path.stat().st_mode)
    return _read(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), most_bytes)


def _read(handle: int, most_bytes: int) -> bytes:
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        _check_regular(found.st_mode)
        content = b"" if found.st_size > most_bytes else file.read(most_bytes + 1)
        if found.st_size > most_bytes or len(content) > most_bytes:
            raise FileTooLargeError(max(found.st_size, len(content)))
        return content


def _own_place(root: Path, path: str) -> str:
    """Return the real place of a file below the root: the path itself where no link is on the way."""
    parts = PurePath(path).parts
    place = str(root)
    for part in parts:
        place = f"{place}{os.sep}{part}"
        if part == ".." or os.path.islink(place):  # noqa: PTH114 - a thousand times in a repository
            break
    else:
        if not PurePath(path).is_absolute():
            return place
    real = os.path.realpath(root / path)
    if not _lies_below(Path(real), os.path.realpath(root)):
        raise NotOwnFileError(outside_reason(root, path))
    return real


def outside_reason(root: Path, path: str) -> str:
    """Return how a path leaves the repository: by a link, which is named with where it leads, or by itself."""
    link = leaving_link(root, path)
    if link is None:
        return "it lies outside of the repository"
    where = "it" if link == Path(path) else link.as_posix()
    return f"{where} is a link to {(root / link).readlink()}, outside of the repository"


def leaving_link(root: Path, path: str | Path) -> Path | None:
    """Return the first link on a path from the root that leads out of it, relative to the root; None: none does."""
    top = os.path.realpath(root)
    parts = Path(path).parts
    for end in range(1, len(parts) + 1):
        link = root / Path(*parts[:end])
        if link.is_symlink() and _lies_below(link.parent, top) and not _lies_below(link, top):
            return link.relative_to(root) if link.is_relative_to(root) else link
    return None


def why_no_output(path: Path) -> str:
    """Return why nothing is written to a path that somebody names; empty: nothing is against it.

    What a repository holds may come from anybody: a link in it that leads out of it would choose what is written over.
    A link elsewhere is the user's own. Of a path that can't be looked at, as one too long, whoever writes hears.
    """
    with suppress(OSError):
        whole = Path.cwd() / path  # as it is written: `..` behind a link leads to where that one leads
        for root in whole.parents:
            if (root / _PROJECT).is_file() and (link := leaving_link(root, whole.relative_to(root))) is not None:
                return f"{link.as_posix()} is a link to {(root / link).readlink()}, outside of the repository"
    return ""


def _lies_below(path: Path, top: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(top)


def _check_regular(mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise NotOwnFileError(f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, no regular file")
