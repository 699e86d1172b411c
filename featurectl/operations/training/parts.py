"""A view whose buckets outgrow the memory: its rows lie in files of smaller parts, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Final

import polars as pl

from featurectl.engines.base import ViewBuckets
from featurectl.engines.budget import batch_rows
from featurectl.engines.shuffle import Shuffle
from featurectl.engines.spill import SpillRoom
from featurectl.offline.order import ordered
from featurectl.operations.training.join import ViewRows
from featurectl.operations.views import BoundView

_HELD: Final = 12  # a twelfth of the memory is held while rows are laid apart
_COLUMNS: Final = 16  # of a table, more or less, which decide how many rows are read at once


def parted_views(views: Mapping[str, BoundView], memory_bytes: int, room: SpillRoom) -> Mapping[str, ViewRows]:
    """Return views that can be read in smaller parts than their tables' buckets, as long as the room is open."""
    return {n: PartedView(bound=bound, memory_bytes=memory_bytes, room=room) for n, bound in views.items()}


@dataclass(slots=True, kw_only=True)
class PartedView:
    """A bound view that can be read in more parts than its table has buckets.

    The table is laid apart when a part is first asked for, and a part that was read once lies in a file of its own:
    the next range of a spine asks for it again.
    """

    bound: BoundView
    memory_bytes: int
    room: SpillRoom
    _apart: Shuffle | None = field(default=None, init=False)
    _folder: Path | None = field(default=None, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    @property
    def as_served(self) -> bool:
        """Whether values are those that the online store would have had."""
        return self.bound.as_served

    def pruned(self, features: Collection[str]) -> ViewBuckets:
        """Return the table with the view as far as some of its features need it."""
        return replace(self.bound.pruned(features), part=self.part)

    def part(self, part: int, parts: int) -> pl.DataFrame:
        """Return the rows of one of so many parts, in total order."""
        with self._lock:
            apart, folder = self._laid_apart()
        path = folder / f"{part}-{parts}.arrow"
        if path.exists():  # a table that is read in parts is asked by one answer at a time, each part once
            return pl.read_ipc(path)
        rows = ordered(apart.of(part, parts), self.bound.view.keys)
        rows.write_ipc(path)
        return rows

    def _laid_apart(self) -> tuple[Shuffle, Path]:
        if self._apart is None or self._folder is None:
            keys = tuple(self.bound.view.keys)
            apart = Shuffle(columns=keys, memory_bytes=self.memory_bytes // _HELD, folder=self.room.folder)
            for block in self.bound.blocks(batch_rows(self.memory_bytes, _COLUMNS)):
                apart.add(block)
            if apart.height == 0:
                apart.add(self.bound.read(0))
            self._apart, self._folder = apart.settled(), self.room.folder()
        return self._apart, self._folder
