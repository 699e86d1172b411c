"""Small files of the prediction log are made into few: of days that are over, every row once at any moment.

1. Some files of a day are read, and one with their rows and their names is written, whole. From then on readers leave
   them out.
2. Hours later they are removed: who had listed them before has read them by then.

What a killed run has left the next one finds, as either of the two. Servers write and remove files meanwhile.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.offline.plain_files import LooseFile, LooseFiles
from featurectl.operations.prediction_log.compacted_files import (
    compacted_content,
    compacted_name,
    is_plain,
    replaced_files,
)
from featurectl.operations.prediction_log.event_columns import older_names

REPLACED: Final = timedelta(hours=2)  # how long replaced files stay: a reader's run, and clocks that differ
_SMALL: Final = 4 << 20
_BYTES: Final = 16 << 20  # of small files that become one
_FILES: Final = 2_000
_MEMORY: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDay:
    """A day of the log of a model version: its folder, the small files, and those that another one stands for."""

    folder: str
    small: tuple[LooseFile, ...]
    replaced: tuple[LooseFile, ...]


def read_day(files: LooseFiles, folder: str, clock: datetime) -> LogDay:
    """Return what is there of a day, `<model>/v<version>/<day>`; replaced files that may go by now are named.

    Raises:
        StoreError: FC603, the log can't be read.
    """
    there, replaced = _listed(files, folder)
    small = _small(there, replaced)
    due = [there[name] for name, large in replaced.items() if there[large].written < clock - REPLACED]
    return LogDay(folder=folder, small=tuple(small) if len(small) > 1 else (), replaced=tuple(due))


def _listed(files: LooseFiles, folder: str) -> tuple[dict[str, LooseFile], Mapping[str, str]]:
    """Return the files of a day by day and name, and which of them another one stands for."""
    version, _, _ = folder.rpartition("/")
    there = {file.path.removeprefix(f"{version}/"): file for file in files.dated(folder)}
    return there, replaced_files(files, version, list(there))


def _small(there: Mapping[str, LooseFile], replaced: Mapping[str, str]) -> list[LooseFile]:
    return [file for name, file in there.items() if is_plain(name) and name not in replaced and file.size < _SMALL]


def compact_some(files: LooseFiles, day: LogDay, alone: Callable[[], AbstractContextManager[object]]) -> int:
    """Write one file for as many of a day's small ones as may be, and return how many they are; 0: none are left.

    The small ones are read without a lock, which takes long. Within `alone` nobody else compacts the day: there it is
    looked whether all of them still stand for themselves as they were, and nothing is written where one doesn't.

    Raises:
        StoreError: FC603, the log can't be read or written.
    """
    names, frames = list[str](), list[pl.DataFrame]()
    for name, frame in _bounded(files, day.small):
        names.append(name)
        frames.append(frame)
    if len(names) < 2:
        return 0
    try:
        rows = pl.concat(frames, how="diagonal")
    except pl.exceptions.PolarsError as error:
        reason = f"files of {day.folder} have one column in two types, and stay as they are"
        raise StoreError(f"the prediction log can't be compacted: {reason}", code="FC603") from error
    content = compacted_content(rows, names)
    with alone():
        there, paths = _small(*_listed(files, day.folder)), {f"{day.folder}/{name}" for name in names}
        if {file for file in day.small if file.path in paths} <= {*there}:  # as they were: an erasure writes them anew
            files.write(f"{day.folder}/{compacted_name(names)}", content)
    return len(names)


def _bounded(files: LooseFiles, small: Sequence[LooseFile]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield names and rows of files, until there is enough for one; those that were removed meanwhile are left out."""
    size = memory = count = 0
    for file in small:
        content = files.read(file.path)
        if content is None:
            continue
        name = file.path.rpartition("/")[2]
        try:
            frame = pl.read_parquet(io.BytesIO(content))
        except pl.exceptions.PolarsError as error:
            hint = f"move {file.path} out of the log to go on without its rows"
            raise StoreError(f"the prediction log can't be read: {name}", hint=hint, code="FC603") from error
        yield name, frame.rename(older_names(frame.columns))
        size, memory, count = size + file.size, memory + int(frame.estimated_size()), count + 1
        if size >= _BYTES or memory >= _MEMORY or count >= _FILES:
            return
