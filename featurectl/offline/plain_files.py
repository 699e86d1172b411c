"""What every place for loose files can do: files of the offline location that are no tables, by their path below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseFile:
    """A file: its path, its bytes, and when it was written last."""

    path: str
    size: int
    written: datetime


class LooseFiles(Protocol):
    """Files that are there whole or not at all; who reads one at the moment never sees half of another."""

    def read(self, path: str, most_bytes: int | None = None) -> bytes | None:
        """Return the bytes of a file, or None when there is none, or a larger one than `most_bytes`.

        Raises:
            StoreError: FC603, the place can't be reached or refuses to be read.
        """

    def write(self, path: str, content: bytes) -> None:
        """Write a file in place of one that may be there.

        Raises:
            StoreError: FC603, the place can't be reached, is full or refuses to be written.
        """

    def claim(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one; of any number that do so at once one does. Return whether this did.

        Raises:
            As `write`.
        """

    def folders(self, path: str) -> Sequence[str]:
        """Return the names of the folders right below a path, in order; none where there is no such path.

        Raises:
            StoreError: FC603, the place can't be reached or refuses to be listed.
        """

    def marks(self, folder: str) -> Mapping[str, str]:
        """Return the paths of the files right in a folder, each with a mark: another one when the file is another.

        Raises:
            StoreError: FC603, the place can't be reached or refuses to be listed.
        """

    def move(self, folder: str, to: str) -> None:
        """Give a folder that is there another name.

        Raises:
            StoreError: FC603, the place can't be reached or refuses to be written.
        """

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; one that is not there is no error.

        Raises:
            StoreError: FC603, the place can't be reached or refuses to be written.
        """

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove some files; one that is not there is no error.

        Raises:
            StoreError: FC603, the place can't be reached or refuses to be written.
        """

    def remove_empty(self, folder: str) -> None:
        """Remove a folder in which nothing is, where folders are things; another one stays."""

    def dated(self, path: str) -> Sequence[LooseFile]:
        """Return all files below a folder, by path.

        Raises:
            As `read`.
        """

    def written(self, path: str) -> datetime | None:
        """Return when a file was written last, or None when there is none.

        Raises:
            As `read`.
        """

    def listed(self, path: str, after: str = "") -> Sequence[tuple[str, int]]:
        """Return the paths of all files below a folder and their sizes in bytes, by path.

        Those alone whose path comes after `after`: what lies before is not looked at.

        Raises:
            As `read`.
        """
