"""Open sources, and report what was taken for granted: the time zone of timestamps without one, nulls for columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.progress import Progress, Silent
from featurectl.core.units import counted
from featurectl.language.definitions.source import CommandLineFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.language.definitions.source import Source
    from featurectl.sources.base import SourceReader
    from featurectl.workspace.workspace import Workspace

_MOST_COLUMNS = 3


class SourceOpener:
    """Opens the sources of a workspace, and reports how columns were read that did not say it; once each.

    That is as UTC, by default, and as null in files that lack what is declared and others have.
    """

    def __init__(self, workspace: Workspace, progress: Progress | None = None) -> None:
        self._progress = progress or Silent()
        self._workspace = workspace
        self._columns: dict[str, list[str]] = {}
        self._given: set[str] = set()  # files that the command line names, of which no `timezone:` can say anything
        self._reported: set[str] = set()
        self._readers: list[SourceReader] = []
        self._dates_noted: set[str] = set()
        self._files_reported: set[tuple[str, str]] = set()

    def open(self, source: Source) -> SourceReader:
        """Return the reader of a source."""
        self._readers.append(self._opened(source))
        return self._readers[-1]

    def _opened(self, source: Source) -> SourceReader:
        declared = ("source", source.name, "timezone") in self._workspace.repo.places  # perhaps not applied yet
        if declared or source.timezone != "UTC":
            return self._workspace.source(source)
        if isinstance(source, CommandLineFile):
            self._given.add(source.name)
        columns = self._columns.setdefault(source.name, [])
        return self._workspace.source(source, lambda name: None if name in columns else columns.append(name))

    def note_dates(self, source: Source) -> None:
        """Note of a source whose rows count as known when they happen that its event times are dates; once."""
        from featurectl.language.typing.sources import dates_note, known_at_event
        from featurectl.sources.open import has_dates

        if source.name in self._dates_noted or not known_at_event(source):
            return
        self._dates_noted.add(source.name)
        if has_dates(source, self._workspace.root):
            message, way_out = dates_note(source)
            self._progress.done(f"note: source {source.name}: {message}; {way_out} (FC358)")

    def report(self, *, forget: bool = False) -> None:
        """Report the sources that were read since the last time; `forget`: those opened so far are not read again."""
        for name, columns in self._columns.items():
            if columns and name not in self._reported:
                self._reported.add(name)
                hint = "" if name in self._given else " (`timezone:` says otherwise)"
                self._progress.done(f"note: source {name}: {_have(columns)} no time zone; read as UTC{hint}")
        for reader in self._readers:
            for file in reader.unwritten:
                if (reader.source.name, file) not in self._files_reported:
                    self._files_reported.add((reader.source.name, file))
                    message = f"{file} is empty, without even a header; it is left out"
                    self._progress.done(f"warning: source {reader.source.name}: {message}")
            for column, parts in reader.lacking.items():
                if (reader.source.name, column) not in self._files_reported:
                    self._files_reported.add((reader.source.name, column))
                    self._progress.done(f"warning: source {reader.source.name}: {_lack(column, list(parts))}")
        if forget:
            self._readers.clear()


def _lack(column: str, files: Sequence[str]) -> str:
    """Return what is said of a column that files lack.

    >>> _lack("tip", ["1.csv", "2.csv"])
    "1.csv and 1 more file have no column 'tip', which other files have; it is null there"
    """
    more = len(files) - 1
    have = f" and {counted(more, 'more file')} have" if more else " has"
    return f"{files[0]}{have} no column {column!r}, which other files have; it is null there"


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
