"""What a format of tables can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from featurectl.core.errors import UsageError
from featurectl.core.temporary_files import temporary_beside
from featurectl.operations.outputs.frames import Frames


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedTable:
    """A whole file of rows under a name of its own, and what makes it the output."""

    file: Path
    publish: Callable[[], object]


class OutputFormat(Protocol):
    """A way to write a table. `name` is what manifests call it, `title` what people do."""

    @property
    def name(self) -> str:
        """Its name in manifests."""

    @property
    def title(self) -> str:
        """Its name for people."""

    def holds(self, dtype: pl.DataType) -> bool:
        """Return whether it can hold a column of a type, which may be made of others."""

    def check_place(self, path: Path) -> None:
        """Check that what lies at a path is such a table, or nothing.

        Raises:
            UsageError: something else does.
        """

    def file_of(self, path: Path) -> Path | None:
        """Return the file that holds the rows of the table at a path; None: several do, or none."""

    def stage(self, frames: Frames, path: Path) -> AbstractContextManager[StagedTable]:
        """Write rows into a temporary file beside a path, and give it."""


class OneFile:
    """What all formats share whose table is one file; `write` is theirs."""

    def write(self, frames: Frames, path: Path) -> None:
        """Write the file."""
        raise NotImplementedError

    def check_place(self, path: Path) -> None:
        """Check that no folder lies there."""
        check_no_folder(path)

    def file_of(self, path: Path) -> Path:
        """Return the file itself."""
        return path

    @contextmanager
    def stage(self, frames: Frames, path: Path) -> Iterator[StagedTable]:
        """Write rows into a temporary file beside a path, and give it."""
        with temporary_beside(path) as file:
            self.write(frames, file)
            yield StagedTable(file=file, publish=lambda: file.replace(path))


def check_no_folder(path: Path) -> None:
    """Check that a file can lie at a path.

    Raises:
        UsageError: a folder does.
    """
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder")
