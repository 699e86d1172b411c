"""What a run works on: a view version, its source and its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.progress import Progress, Silent
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import OfflineTable
from featurectl.sources.base import SourceReader


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializeRun:
    """One view version with what it is materialized from and into, and what was erased of the project."""

    view: FeatureView
    version: int
    reader: SourceReader
    table: OfflineTable
    others: tuple[SourceReader, ...] = ()  # of the sources beside the first, which a transform may have
    spill: Path | None = None  # where rows lie that do not fit into memory; None: in the system's place for such
    progress: Progress = field(default_factory=Silent)
    erasures: Erasures = NOTHING_ERASED

    @property
    def erased(self) -> int:
        """The number of the newest tombstone of the view's entity: a table has no row of those up to it."""
        return self.erasures.newest_of(self.view.entity.name) if self.view.entity else 0
