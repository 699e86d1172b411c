"""Rows of an online store as frames, and those that can't be read apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.online.base import Ask, OnlineRow, OnlineStore, OnlineView, PushRecord
from featurectl.online.decode.row import row_schema_id, unpack_row
from featurectl.online.row_schema import (
    SchemaCache,
    field_name,
    parse_schema,
    pushed_schema,
    schema_digest,
    schema_name,
)

MISSING, UNREADABLE, THERE = "missing", "unreadable", "there"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """What a store has of some entities: a `state` each, the values (null without a row), the row's clocks."""

    state: pl.Series
    values: pl.DataFrame
    computed_at: pl.Series
    newest: pl.Series  # the latest of all its clocks


def pushed_features(store: OnlineStore, where: OnlineView, record: PushRecord) -> frozenset[str]:
    """Return the features of a view version that its last push wrote, all of them where nobody can say.

    Raises:
        StoreError: the store fails.
    """
    if record.schema in ("", schema_digest(where)):
        return frozenset(where.features)
    document = pushed_schema(
        record.schema,
        lambda number: _fetch_one(store, where, schema_name(field_name(where), number)),
    )
    if document is None:
        return frozenset(where.features)
    schema = parse_schema(document)
    return frozenset(n for n in where.features if n in schema.features and schema.means(n, where.meanings.get(n)))


class RowDecoder:
    """Reads the rows of one view version; the schemas that they were written with are fetched once."""

    def __init__(self, store: OnlineStore, where: OnlineView) -> None:
        self._store, self._where = store, where
        self._schemas = SchemaCache(partial(_fetch_one, store))

    def fetch(self, keys: Sequence[bytes]) -> StoredRows:
        """Return what the store has under some packed keys.

        Raises:
            StoreError: the store fails.
        """
        where = self._where
        ask = Ask(project=where.project, env=where.env, fields=(field_name(where),), keys=keys)
        (found,) = self._store.fetch([ask])
        rows = [self._unpacked(data) for (data,) in found]
        states = [
            MISSING if data is None else THERE if row else UNREADABLE for (data,), row in zip(found, rows, strict=True)
        ]
        values = [
            pl.Series(name, [row.values.get(name) if row else None for row in rows], polars_dtype(dtype), strict=False)
            for name, dtype in where.features.items()
        ]
        return StoredRows(
            state=pl.Series("state", states, pl.String),
            values=pl.DataFrame(values),
            computed_at=pl.Series("computed", [row.computed_at if row else None for row in rows], INSTANT),
            newest=pl.Series("newest", [_newest(row) if row else None for row in rows], INSTANT),
        )

    def is_later(self, data: bytes, than: datetime) -> bool:
        """Return whether a packed row was computed, or became true or known, after an instant."""
        row = self._unpacked(data)
        return row is not None and _newest(row) > than

    def _unpacked(self, data: bytes | None) -> OnlineRow | None:
        """Return a row; None where there is none, or what is there is none of this view."""
        if data is None:
            return None
        try:
            schema = self._schemas.find(self._where, row_schema_id(data))
            return None if schema is None else unpack_row(data, schema, self._where.meanings)
        except (StoreError, AssertionError, ValueError, ArithmeticError):  # bytes that nobody has written as a row
            return None


def _fetch_one(store: OnlineStore, where: OnlineView, name: str) -> bytes | None:
    return store.fetch_shared(where.project, where.env, [name])[0]


def _newest(row: OnlineRow) -> datetime:
    return max(t for t in (row.computed_at, row.event_time, row.available_at) if t is not None)
