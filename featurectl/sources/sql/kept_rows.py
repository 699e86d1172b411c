"""Rows of a query that has run: in memory while they are few, else in files that are read lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.disk_room import FULL_HINT, is_full
from featurectl.core.errors import StoreError
from featurectl.sources.sql.rows import Types, joint_schema, merge_chunks
from featurectl.sources.sql.running_query import RunningQuery

HELD_BYTES: Final = 64 * 2**20  # of rows that lie in memory: what is more goes to a file, so many bytes each


def gathered(query: RunningQuery, most_bytes: int, where: str) -> Iterator[pl.DataFrame]:
    """Give the rows of a query whose types are known as they come, in frames of about so many bytes.

    Raises:
        StoreError, DataError: what the query fails of.
    """
    held, size = list[pl.DataFrame](), 0.0
    for frame in query.frames:
        held.append(frame)
        size += frame.estimated_size()
        if size >= most_bytes:
            yield merge_chunks(held, query.types, where)
            held, size = [], 0.0
    if held:
        yield merge_chunks(held, query.types, where)


@dataclass(slots=True, kw_only=True)
class KeptRows:
    """Takes frames of one query, of which `held` are `HELD_BYTES` at most; `folder` makes one for its files.

    A column that is whole in one frame and a fraction in another is float64. `where` is what errors call the query.
    """

    types: Types
    where: str
    folder: Callable[[], Path]
    held: list[pl.DataFrame] = field(default_factory=list)
    _held_bytes: float = 0
    _schemas: list[pl.Schema] = field(default_factory=list)
    _place: Path | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Keep the rows of a frame behind those before.

        Raises:
            DataError: FC504, a column holds other kinds of values than before.
            StoreError: FC605, the disk is full.
        """
        self.held.append(frame)
        self._held_bytes += frame.estimated_size()
        if self._held_bytes >= HELD_BYTES:
            self.write_held()

    def rows(self) -> tuple[pl.LazyFrame, pl.Schema]:
        """Return all rows, and the types of their columns.

        Raises:
            DataError, StoreError: as `add` does.
        """
        if not self._schemas:
            frame = merge_chunks(self.held, self.types, self.where)
            return frame.lazy(), frame.schema
        if self.held:
            self.write_held()
        schema = joint_schema(self._schemas, self.types, self.where)
        files = [self._file(i) for i in range(len(self._schemas))]
        if all(found == schema for found in self._schemas):
            return pl.scan_parquet(files), schema
        return pl.concat([pl.scan_parquet(file).cast(schema) for file in files]), schema

    def write_held(self) -> None:
        """Put the frames that are held into a file."""
        frame = merge_chunks(self.held, self.types, self.where)
        self.held, self._held_bytes = [], 0
        file = self._file(len(self._schemas))
        try:
            frame.write_parquet(file, compression="lz4", statistics=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            if not is_full(error):
                raise
            message = f"{self.where}: no room for its rows in {file.parent}: the disk is full"
            raise StoreError(message, code="FC605", hint=FULL_HINT) from error
        self._schemas.append(frame.schema)

    def _file(self, number: int) -> Path:
        if self._place is None:
            self._place = self.folder()
        return self._place / f"{number:06}.parquet"
