"""The repository's files as the caller sees them, and as a checkout of it has them."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_own_file

if TYPE_CHECKING:
    from featurectl.cli.shared.call import Call
    from featurectl.language.syntax.place import Place

_MOST_BYTES: Final = 5_000_000


class Files:
    """The repository's files; each is read at most once. Without a repository there are none."""

    def __init__(self, call: Call) -> None:
        try:
            self._root: Path | None = call.root()
        except UsageError:  # problems of something that is no repository
            self._root = None
        self._texts: dict[str, str] = {}
        self._lines: dict[str, list[str]] = {}
        self._shown: dict[str, str] = {}

    def shown(self, path: str) -> str:
        """Return a path relative to the caller's folder."""
        if self._root is None:
            return path
        if path not in self._shown:
            try:
                self._shown[path] = os.path.relpath(self._root / path)
            except ValueError:  # another drive
                self._shown[path] = str(self._root / path)
        return self._shown[path]

    def shown_place(self, place: Place) -> str:
        """Return a place as `path:line:column`, its path relative to the caller's folder."""
        return str(place).replace(place.path, self.shown(place.path), 1)

    def in_checkout(self, path: str) -> str:
        """Return a path relative to the top of the version control that holds the repository, with / between folders.

        The top is the nearest folder with a `.git`; where there is none, the caller's folder. Links are followed,
        because a code host knows files by their own places alone, but not to what lies outside of the checkout.
        """
        if self._root is None:
            return path
        real = os.path.realpath(self._root / path)
        if not Path(real).is_relative_to(self._top):
            real = os.path.join(os.path.realpath(self._root), path)  # noqa: PTH118 - `..` stays as it is
        try:
            return Path(os.path.relpath(real, self._top)).as_posix()
        except ValueError:  # another drive
            return Path(real).as_posix()

    def place_in_checkout(self, place: Place) -> Place:
        """Return a place whose path begins at the top of the checkout."""
        return replace(place, path=self.in_checkout(place.path))

    @cached_property
    def _top(self) -> str:
        root = Path(os.path.realpath(self._root or "."))
        tops = (folder for folder in (root, *root.parents) if (folder / ".git").exists())
        return str(next(tops, os.path.realpath(".")))

    def text(self, path: str) -> str:
        """Return a file's text with what is no UTF-8 replaced; empty when it can't be read."""
        if self._root is None:
            return ""
        if path not in self._texts:
            try:
                found = read_own_file(self._root, path, _MOST_BYTES).decode(errors="replace")
            except (NotOwnFileError, FileTooLargeError, OSError):
                found = ""
            self._texts[path] = found
        return self._texts[path]

    def lines(self, place: Place) -> list[str]:
        """Return the lines of a place's file without their ends; none when the place is the whole file."""
        if not place.line or not self.text(place.path):
            return []
        if place.path not in self._lines:
            lines = self.text(place.path).removeprefix("\ufeff").split("\n")
            self._lines[place.path] = [line.removesuffix("\r") for line in lines]
        return self._lines[place.path]

    def paths(self) -> list[str]:
        """Return the paths of the repository's YAML files, relative to its root."""
        from featurectl.language.repository_files import own_paths

        return own_paths(self._root) if self._root else []
