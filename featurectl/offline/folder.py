"""Loose files in a folder."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from featurectl.core.disk_room import hint_of
from featurectl.core.errors import StoreError
from featurectl.offline.plain_files import LooseFile
from featurectl.offline.sync import sync_names

_NONE_THERE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_PART: Final = ".part"
_SYNCED: Final[set[tuple[Path, Path, int]]] = set()  # folders, tops and numbers of folders: names between are synced


class FolderFiles:
    """`LooseFiles` below a folder."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def read(self, path: str, most_bytes: int | None = None) -> bytes | None:
        """Return the bytes of a file, or None when there is none, or a larger one than `most_bytes`."""
        try:
            with (self._folder / path).open("rb") as file:
                if most_bytes is None:
                    return file.read()
                content = file.read(most_bytes + 1)
                return content if len(content) <= most_bytes else None
        except _NONE_THERE:
            return None
        except OSError as error:
            raise _failure(path, "read", error) from error

    def write(self, path: str, content: bytes) -> None:
        """Write a file beside its place, then move it there."""
        self._put(path, content, Path.replace)

    def claim(self, path: str, content: bytes) -> bool:
        """Write a file beside its place, then give it that name, too: the system refuses one that is taken."""
        return self._put(path, content, os.link)

    def _put(self, path: str, content: bytes, name: Callable[[Path, Path], object]) -> bool:
        target = self._folder / path
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}{_PART}")
        try:
            _make_folder(target.parent)
            try:
                _write_synced(part, content)
                name(part, target)
                _sync_name(target, self._folder)
            finally:
                part.unlink(missing_ok=True)
        except FileExistsError:
            return False
        except OSError as error:
            raise _failure(path, "written", error) from error
        return True

    def folders(self, path: str) -> Sequence[str]:
        """Return the names of the folders right below a path."""
        return sorted(entry.name for entry in self._entries(path) if entry.is_dir())

    def marks(self, folder: str) -> Mapping[str, str]:
        """Return the paths of the files right in a folder; those that are being written are none."""
        found = (entry for entry in self._entries(folder) if not entry.name.endswith(_PART))
        return {f"{folder}/{entry.name}": mark for entry in found if (mark := _mark(entry))}

    def move(self, folder: str, to: str) -> None:
        """Give a folder that is there another name."""
        _SYNCED.clear()
        try:
            (self._folder / folder).rename(self._folder / to)
        except OSError as error:
            raise _failure(folder, "moved", error) from error

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it."""
        _SYNCED.clear()
        try:
            shutil.rmtree(self._folder / folder)
        except _NONE_THERE:
            return
        except OSError as error:
            raise _failure(folder, "removed", error) from error

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove some files."""
        for path in paths:
            try:
                (self._folder / path).unlink(missing_ok=True)
            except OSError as error:
                raise _failure(path, "removed", error) from error

    def remove_empty(self, folder: str) -> None:
        """Remove a folder in which nothing is; another one stays."""
        _SYNCED.clear()
        with suppress(OSError):  # it is not empty, is gone, or may not be removed: then it goes on standing there
            (self._folder / folder).rmdir()

    def listed(self, path: str, after: str = "") -> list[tuple[str, int]]:
        """Return the paths and sizes of the files below a folder; folders that lie before `after` are passed over."""
        found: list[tuple[str, int]] = []
        for entry in self._entries(path):
            below = f"{path}/{entry.name}"
            if entry.is_dir():
                if f"{below}/" >= after or after.startswith(f"{below}/"):
                    found += self.listed(below, after)
            elif below > after:
                with suppress(FileNotFoundError):  # one that was moved away meanwhile
                    found.append((below, entry.stat().st_size))
        return sorted(found)

    def dated(self, path: str) -> list[LooseFile]:
        """Return all files below a folder, by path."""
        found: list[LooseFile] = []
        for entry in self._entries(path):
            below = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                found += self.dated(below)
                continue
            with suppress(FileNotFoundError):  # one that was moved away meanwhile
                status = entry.stat(follow_symlinks=False)
                written = datetime.fromtimestamp(status.st_mtime, UTC)
                found.append(LooseFile(path=below, size=status.st_size, written=written))
        return sorted(found, key=lambda file: file.path)

    def written(self, path: str) -> datetime | None:
        """Return when a file was written last."""
        try:
            return datetime.fromtimestamp((self._folder / path).lstat().st_mtime, UTC)
        except _NONE_THERE:
            return None
        except OSError as error:
            raise _failure(path, "read", error) from error

    def _entries(self, path: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder / path) as entries:
                return list(entries)
        except _NONE_THERE:
            return []
        except OSError as error:
            raise _failure(path, "listed", error) from error


def _failure(path: str, done: str, error: OSError) -> StoreError:
    return StoreError(f"{path} can't be {done}: {error.strerror}", code="FC603", hint=hint_of(error))


def _mark(entry: os.DirEntry[str]) -> str:
    """Return the mark of a file; "" for what is none, or is gone by now."""
    try:
        found = entry.stat()
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}" if stat.S_ISREG(found.st_mode) else ""


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:  # to be read by whom the umask lets: servers run as another user
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there: a new one often has the number of one that is gone."""
    try:
        folder.mkdir(parents=True)
    except OSError:  # what is raised over one that is there is up to the system
        if not folder.is_dir():
            raise
        return
    _SYNCED.clear()


def _sync_name(file: Path, top: Path) -> None:
    """See that the name of a file outlives a loss of power, and those of its folders up to `top`: of each folder once.

    Another number says that another process has put a folder in the place of one that was removed.
    """
    folder = file.parent
    known = (folder, top, folder.stat().st_ino)
    sync_names(folder, folder if known in _SYNCED else top)
    _SYNCED.add(known)
