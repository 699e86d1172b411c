"""Open sources; where timestamps have no time zone and none is declared, report in which one they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.progress import Progress, Silent

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.sources.base import SourceReader
    from featurectl.workspace.workspace import Workspace

_MOST_COLUMNS = 3


class SourceOpener:
    """Opens the sources of a workspace, and reports which columns were read as UTC by default; once a source."""

    def __init__(self, workspace: Workspace, progress: Progress | None = None) -> None:
        self._progress = progress or Silent()
        self._workspace = workspace
        self._columns: dict[str, list[str]] = {}
        self._reported: set[str] = set()

    def open(self, source: Source) -> SourceReader:
        """Return the reader of a source."""
        declared = ("source", source.name, "timezone") in self._workspace.repo.places  # perhaps not applied yet
        if declared or source.timezone != "UTC":
            return self._workspace.source(source)
        columns = self._columns.setdefault(source.name, [])
        return self._workspace.source(source, lambda name: None if name in columns else columns.append(name))

    def report(self) -> None:
        """Report the sources that were read since the last time."""
        for name, columns in self._columns.items():
            if columns and name not in self._reported:
                self._reported.add(name)
                hint = " (`timezone:` says otherwise)" if name in self._workspace.repo.sources else ""
                self._progress.done(f"note: source {name}: {_have(columns)} no time zone; read as UTC{hint}")


def _have(columns: list[str]) -> str:
    """Return the names as the beginning of a sentence.

    >>> _have(["at"]), _have(["a", "b", "c"]), _have(["a", "b", "c", "d", "e"])
    ('at has', 'a, b and c have', 'a, b, c and 2 more have')
    """
    if len(columns) == 1:
        return f"{columns[0]} has"
    rest = len(columns) - _MOST_COLUMNS
    first = columns[:_MOST_COLUMNS] if rest > 0 else columns[:-1]
    return f"{', '.join(first)} and {f'{rest} more' if rest > 0 else columns[-1]} have"
