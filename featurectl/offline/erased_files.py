"""Data files of a table that hold rows of erased keys: found by their keys and times alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from featurectl.core.erasures import Erasures, KeyPart
from featurectl.engines.batches import read_batches
from featurectl.offline.base import KeyValues
from featurectl.offline.read_files import scan_file
from featurectl.pit.erased_rows import ErasedRows
from featurectl.pit.hashing import bucket_of
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_AT_ONCE: Final = 1 << 18  # rows of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedInFile:
    """How many rows of a file are of erased keys, and whether there are further rows of these keys, which stay."""

    rows: int
    stays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedSearch:
    """Looks for rows of an entity's erased keys in the files of a table with these keys.

    Keys of which all values are known are looked for by them, in the one bucket where they are and by the ends of
    row groups; of others the keys of every row are hashed.
    """

    erasures: Erasures
    entity: str
    keys: Sequence[str]
    values: KeyValues = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is any key to look for."""
        return bool(self.erasures.of(self.entity))

    @property
    def rows(self) -> ErasedRows:
        """What finds the rows in frames."""
        return ErasedRows(erasures=self.erasures, entity=self.entity, columns={key: key for key in self.keys})

    def buckets(self, number: int, schema: pl.Schema) -> frozenset[int] | None:
        """Return which of so many buckets may hold erased rows; None: any may."""
        wanted = [self.values.get(item.number, {}) for item in self.erasures.of(self.entity)]
        if not all(values.keys() == set(self.keys) for values in wanted):
            return None
        try:
            columns = [pl.Series(key, [values[key] for values in wanted], dtype=schema[key]) for key in self.keys]
        except (PolarsError, TypeError):  # the table has a key in another type
            return None
        return frozenset(bucket_of(pl.DataFrame(columns), number).to_list())

    def look(self, path: str) -> ErasedInFile:
        """Return what a file holds; it is read some rows at a time.

        Raises:
            PolarsError, OSError: it can't be read.
        """
        found, rows, stays = self.rows, 0, False
        scan = scan_file(path, [*self.keys, EVENT_TIME, AVAILABLE_AT])
        for batch in read_batches(self._narrowed(scan), _AT_ONCE):
            erased = int(found.are(batch, EVENT_TIME, AVAILABLE_AT).sum())
            rows += erased
            stays = stays or int(found.are(batch).sum()) > erased
        return ErasedInFile(rows=rows, stays=stays)

    def without(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Give the rows of frames that stay, where any do."""
        found = self.rows
        for frame in frames:
            kept = found.without(frame)
            if kept.height:
                yield kept

    def _narrowed(self, scan: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows that may be of erased keys: all, unless the values of all keys are known."""
        wanted = [self.values.get(item.number) for item in self.erasures.of(self.entity)]
        if not all(wanted):
            return scan
        types = scan.collect_schema()
        known = [values for values in wanted if values]
        if not all(_is_of(types[key], part) for values in known for key, part in values.items()):
            return scan
        same = [pl.all_horizontal(*(pl.col(k) == part for k, part in values.items())) for values in known]
        return scan.filter(pl.any_horizontal(same))


def _is_of(dtype: pl.DataType, part: KeyPart) -> bool:
    """Return whether a key's value can be compared with a column: as it is, without a cast."""
    match part:
        case bool():
            return dtype == pl.Boolean
        case int():
            return dtype.is_integer()
        case date():
            return dtype == pl.Date
    return dtype == pl.String
