"""A word on sources whose timestamps have no time zone, and which declare none: in which one they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.cli.call import Call

if TYPE_CHECKING:
    from featurectl.language.definitions.objects import Source
    from featurectl.sources.base import SourceReader
    from featurectl.workspace.workspace import Workspace

_MOST_COLUMNS = 3


class NaiveClocks:
    """Opens the sources of a command, and tells on stderr which columns were read as UTC by default; once a source."""

    def __init__(self, call: Call, workspace: Workspace) -> None:
        self._call = call
        self._workspace = workspace
        self._columns: dict[str, list[str]] = {}
        self._told: set[str] = set()

    def open(self, source: Source) -> SourceReader:
        """Return the reader of a source."""
        declared = ("source", source.name, "timezone") in self._workspace.repo.places  # perhaps not applied yet
        if declared or source.timezone != "UTC":
            return self._workspace.source(source)
        columns = self._columns.setdefault(source.name, [])
        return self._workspace.source(source, lambda name: None if name in columns else columns.append(name))

    def tell(self) -> None:
        """Tell of the sources that were read since the last time."""
        for name, columns in self._columns.items():
            if columns and name not in self._told:
                self._told.add(name)
                hint = " (`timezone:` says otherwise)" if name in self._workspace.repo.sources else ""
                self._call.progress.done(f"note: source {name}: {_have(columns)} no time zone; read as UTC{hint}")


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
