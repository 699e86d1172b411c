"""Where on this machine a source may read: below the repository's root, and in the folders of `data_roots`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.errors import DataError, UsageError
from featurectl.core.variables import expand
from featurectl.language.syntax.own_files import leaving_link

_PATTERN: Final = re.compile(r"[*?\[]")
_NEVER: Final = ("/proc", "/sys")  # no data, but the machine itself, and the variables of this process
_FILE: Final = "file:"


class OutsideDataError(DataError):
    """FC535: `real` is a file or folder that no folder which a source may read holds."""

    def __init__(self, message: str, real: str, hint: str) -> None:
        super().__init__(message, code="FC535", hint=hint)
        self.real = real


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRoots:
    """The folders outside of a repository that its sources may read: `data_roots` of an environment, as written."""

    folders: tuple[str, ...] = ()
    environment: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False, compare=False)

    def hold(self, root: Path, real: str) -> bool:
        """Return whether one of the folders holds a real path.

        Raises:
            UsageError: none does as far as is known, and a variable of one is not set.
        """
        if any(is_below(real, never) for never in _NEVER):
            return False
        unset: UsageError | None = None
        for folder in self.folders:
            try:
                filled = expand(folder, self.environ, f"environment {self.environment}: data_roots")
            except UsageError as error:
                unset = error
                continue
            if is_below(real, os.path.realpath(root / filled)):
                return True
        if unset is not None:
            raise unset
        return False


NONE: Final = DataRoots()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableFolders:
    """Where one source may read; `written` is its path or URL as it stands in the repository."""

    source: str
    written: str
    root: Path
    roots: DataRoots = NONE
    database: bool = False  # `written` is a URL

    def check(self, path: str | Path) -> str:
        """Return the real place of a path, which starts at the root.

        Raises:
            OutsideDataError: FC535, it lies where the source may not read.
        """
        real = os.path.realpath(self.root / path)
        if is_below(real, os.path.realpath(self.root)):
            return real
        if self.roots.hold(self.root, real):
            return real
        raise self._refused(path, real)

    def check_logged(self, path: str | Path, name: str) -> None:
        """See that a file which the log of a table names lies where the source may read, with the table or by a link.

        Raises:
            OutsideDataError: as `check` does; no folder to let it read in is advised where the log itself leads out.
        """
        try:
            self.check(path)
        except OutsideDataError as error:
            if leaving_link(self.root, path) is not None:
                raise
            message = f"source {self.source}: the log of {self.written} names {name}, outside of where it may read"
            hint = "a table's files lie below its folder: write it again from where it is whole"
            raise OutsideDataError(message, error.real, hint) from None

    def check_pattern(self, path: str) -> None:
        """See that what a path or pattern can mean lies where the source may read, before anybody looks for it.

        Raises:
            OutsideDataError: as `check` does.
        """
        if is_file_address(path):
            message = f"source {self.source}: {self.written} is the address of files of this machine"
            raise OutsideDataError(message, path, "write their path alone")
        folder = fixed_folder(path)
        self.check(folder)
        if ".." in PurePath(path).parts[len(PurePath(folder).parts) :]:  # a search that leaves what was just checked
            message = f"source {self.source}: {self.written} has .. behind a pattern"
            raise OutsideDataError(message, path, "write where it leads to in its place")

    def _refused(self, path: str | Path, real: str) -> OutsideDataError:
        link = leaving_link(self.root, path)
        if link is None:
            message = f"source {self.source}: {self.written} lies outside of the repository"
            known = not self.database or self.written.startswith(SQLITE_URL)
            folder = _folder_of(self.written) if known else "FOLDER"
        else:
            target = (self.root / link).readlink()
            message = f"source {self.source}: {link.as_posix()} is a link to {target}, outside of the repository"
            folder = _linked_folder(self.root, link, whole=self.root / link == self.root / path)
        where = f"environment {self.roots.environment}" if self.roots.environment else "an environment"
        line = f'data_roots: ["{folder}"]'
        return OutsideDataError(message, real, f"`{line}` of {where} in featurectl.yaml lets sources read there")


def is_below(path: str, folder: str) -> bool:
    """Return whether a real path is a folder or lies in it.

    >>> is_below("/srv/data/x", "/srv/data"), is_below("/srv/data", "/srv/data"), is_below("/srv/database", "/srv/data")
    (True, True, False)
    """
    return PurePath(path).is_relative_to(folder)


def _linked_folder(root: Path, link: Path, *, whole: bool) -> str:
    """Return the folder that a link leads to, as it is written; of a link that is the `whole` path, the one above."""
    target = (root / link).readlink()
    place = target if target.is_absolute() else Path(os.path.relpath((root / link).parent / target, root))
    return place.parent.as_posix() if whole else place.as_posix()


def _folder_of(written: str) -> str:
    """Return what to write into `data_roots` for a path or URL; what a variable holds is not shown.

    >>> _folder_of("/srv/lake/*.csv"), _folder_of("${LAKE}/x.csv"), _folder_of("sqlite:///../x.db"), _folder_of("${X}")
    ('/srv/lake', '${LAKE}', '..', '${X}')
    """
    path = written.removeprefix(SQLITE_URL).partition("?")[0]
    folder = PurePath(fixed_folder(path))
    return str(folder if _PATTERN.search(path) or len(folder.parts) == 1 else folder.parent)


def is_file_address(path: str) -> bool:
    """Return whether a path is the address of a local file (`file:///srv/x`), which no rule for paths would see."""
    return path[: len(_FILE)].lower() == _FILE


def fixed_folder(path: str) -> str:
    """Return the part of a path in front of its first component that is a pattern: the path itself without one.

    >>> fixed_folder("data/**/*.parquet"), fixed_folder("/srv/lake/day=*/x.csv"), fixed_folder("data/x.csv")
    ('data', '/srv/lake', 'data/x.csv')
    """
    parts = PurePath(path).parts
    fixed = next((number for number, part in enumerate(parts) if _PATTERN.search(part)), len(parts))
    return str(PurePath(*parts[:fixed])) if fixed else "."
