"""Where the files of a source lie, and how errors call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from featurectl.core.errors import DataError
from featurectl.core.variables import as_written, has_variable
from featurectl.language.data_roots import is_file_address
from featurectl.language.definitions.source import Source
from featurectl.sources.base import SourcePart


def is_remote(path: str) -> bool:
    """Return whether a path leads into an object store."""
    return "://" in path and not is_file_address(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAddress:
    """The path of a source with its variables filled in; below `root` where it is relative."""

    source: Source
    root: Path
    path: str

    @property
    def remote(self) -> bool:
        """True when the files lie in an object store."""
        return is_remote(self.path)

    @property
    def meant(self) -> str:
        """The path, from the root where it lies below it, as the names of parts are."""
        path = Path(self.path)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else self.path

    def full(self, names: Sequence[str]) -> list[str]:
        """Return where files lie, by the names of their parts."""
        return [name if self.remote else str(self.root / name) for name in names]

    def part(self, file: Path) -> SourcePart:
        """Return the part that a local file is, named by its path below the root where it lies there.

        Raises:
            DataError: FC502, the system says nothing of it.
        """
        try:
            status = file.stat()
        except OSError as error:
            message = f"{self.where(str(file))} can't be read: {self.shown(str(error))}"
            raise DataError(message, code="FC502") from error
        name = file.relative_to(self.root) if file.is_relative_to(self.root) else file
        return SourcePart(name=name.as_posix(), stamp=f"{status.st_size}:{status.st_mtime_ns}")

    def where(self, file: str) -> str:
        """Return what errors call a file."""
        return f"source {self.source.name}, file {self.shown_file(file)}"

    def shown_file(self, file: str) -> str:
        """Return the name of a file without what variables hold."""
        if not has_variable(self.source.path):
            return file
        return self.shown(file if self.remote else str(self.root / file))

    def shown(self, text: str) -> str:
        """Return a text in which the path is written as in the repository: what its variables hold is not shown."""
        return as_written(text, self.source.path, self.path if self.remote else str(self.root / self.path))
