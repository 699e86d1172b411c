"""Rows packed one by one with `msgpack.Packer`: the oracle of the encoder that works by columns."""

from __future__ import annotations

import msgpack
import polars as pl

from featurectl.core.dtypes import DATE, TIMESTAMP, decimal_parts, list_item
from featurectl.core.frames.types import polars_dtype
from featurectl.online.base import OnlineView
from featurectl.online.codec import pack_instant


def pack_rows(view: OnlineView, rows: pl.DataFrame, schema_id: int) -> list[bytes]:
    """Return the packed rows of a frame."""
    header = bytes([1]) + schema_id.to_bytes(2, "big")
    instants = rows.select("event_time", "available_at", "computed_at").iter_rows()
    values = rows.select(_physical(name, dtype) for name, dtype in view.features.items())
    packed = values.iter_rows() if view.features else iter([()] * rows.height)
    pack = msgpack.Packer().pack
    return [
        header + b"".join(map(pack_instant, times)) + pack(row) for times, row in zip(instants, packed, strict=True)
    ]


def _physical(name: str, dtype: str) -> pl.Expr:
    item = list_item(dtype)
    of = item or dtype
    packed = pl.String() if decimal_parts(of) else {TIMESTAMP: pl.Int64(), DATE: pl.Int32()}.get(of)
    column = pl.col(name).cast(polars_dtype(dtype))
    if packed is None:
        return column
    return column.cast(pl.List(packed)) if item else column.cast(packed)
