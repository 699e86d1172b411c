"""The room that a prediction log has: files that are too old are removed, and the oldest ones where there are too many.

Each process of each server sees to it by itself, now and then: what one has removed is gone for the others, and nobody
needs a lock. Between two looks all of them together may pass the limit by a part of it.

Between a compaction and the next `clean` rows stand in two files, which both count. Where that is too much, the small
ones go before anything else: no row goes with them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from featurectl.core.units import moved_by
from featurectl.offline.plain_files import LooseFiles

EVERY_S: Final = 600.0
_PART: Final = 32  # of what there may be, that a process writes before it looks again
_SPARE: Final = 10  # a tenth is made free where there is too much, so that the next file finds room
_DAY: Final = len("2026-01-08")
_ORPHAN: Final = timedelta(hours=1)  # a file that was being written so long ago never will be whole
_FILE: Final = re.compile(r"[^/]+/v\d+/(?P<day>\d{4}-\d\d-\d\d)/\.?(?P<time>\d{6})?[^/]*?(?P<end>\.parquet|\.part)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How long the files of a log are kept, and how many bytes they may take."""

    keep: timedelta
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Files that were removed, and how many bytes they had."""

    files: int = 0
    size: int = 0


class LogRoom:
    """The room of the log of an environment; all of its models share it."""

    def __init__(self, files: LooseFiles, limits: LogLimits, clock: Callable[[], datetime]) -> None:
        self._files = files
        self._limits = limits
        self._clock = clock
        self.size = 0  # when it was looked at, with what was written here since
        self._added = 0
        self._looked_s: float | None = None

    def make(self, size: int) -> Removed:
        """Remove what is too old or too much, where it is time to look or a file of so many bytes finds no room.

        Raises:
            StoreError: the place can't be listed, or nothing can be removed.
        """
        due = self._looked_s is None or time.monotonic() - self._looked_s >= EVERY_S
        if not (due or self._added >= self._limits.max_bytes // _PART or not self.has_room(size)):
            return Removed()
        return self._look(size)

    def has_room(self, size: int) -> bool:
        """Return whether a file of so many bytes fits."""
        return self.size + size <= self._limits.max_bytes

    def add(self, size: int) -> None:
        """Take note of a file that was written."""
        self.size += size
        self._added += size

    def _look(self, size: int) -> Removed:
        found = self._listed()
        self._looked_s, self._added = time.monotonic(), 0
        self.size = sum(bytes_ for _, _, bytes_ in found)
        gone = self._chosen(found, size)
        self._files.remove_files([path for _, path, _ in gone])
        for day in sorted({path.rpartition("/")[0] for stamp, path, _ in gone if stamp < _stamp(self._clock())[:_DAY]}):
            self._files.remove_empty(day)  # of days that are over: no server is about to write into them
        freed = sum(bytes_ for _, _, bytes_ in gone)
        self.size -= freed
        return Removed(files=len(gone), size=freed)

    def _listed(self) -> list[tuple[str, str, int]]:
        """Return the files of the log with the moment that their names have, the oldest first."""
        found = []
        for model in self._files.folders(""):
            for path, size in self._files.listed(model):
                if name := _FILE.fullmatch(path):
                    stamp = f"{name['day']}/{name['time'] or '000000'}"
                    found.append((f"{stamp}{name['end']}", path, size))
        return sorted(found)

    def _chosen(self, found: list[tuple[str, str, int]], size: int) -> list[tuple[str, str, int]]:
        """Return the files to remove: those that are too old, then replaced and oldest ones until there is room."""
        now = self._clock()
        oldest, orphan = _stamp(moved_by(now, -self._limits.keep)), _stamp(moved_by(now, -_ORPHAN))
        chosen, others = [], []
        for file in found:
            is_orphan = file[0].endswith(".part")
            if file[0] < oldest or (is_orphan and file[0] < orphan):
                chosen.append(file)
            elif not is_orphan:
                others.append(file)
        room = self._limits.max_bytes - size
        enough = room if self.size <= room else room - self._limits.max_bytes // _SPARE
        left = self.size - sum(bytes_ for _, _, bytes_ in chosen)
        for file in self._by_loss(others) if left > enough else ():
            if left > enough:
                chosen.append(file)
                left -= file[2]
        return chosen

    def _by_loss(self, found: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
        """Return files in the order in which they may go: those that larger ones stand for, then the oldest."""
        from featurectl.operations.prediction_log.compacted_files import replaced_files

        by_version: dict[str, list[str]] = {}
        for _, path, _ in found:
            model, version, written = path.split("/", 2)
            by_version.setdefault(f"{model}/{version}", []).append(written)
        replaced = {
            f"{folder}/{name}"
            for folder, names in by_version.items()
            for name in replaced_files(self._files, folder, names, skip_broken=True)
        }
        return sorted(found, key=lambda file: file[1] not in replaced)


def _stamp(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    return f"{utc.date().isoformat()}/{utc:%H%M%S}"
