"""The rows that a version was judged on, kept beside it: so that it can be judged again, next to another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

VALIDATION_FORMAT: Final = "parquet"
_SPINE, _INPUT, _TIME, _LABEL, _KNOWN = "spine:", "input:", "time", "label", "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRows:
    """Rows of a spine with the instant of each, the raw inputs of the model that was judged, and the label as numbers.

    `spine` holds the spine's columns in the language's types, and those that have none as they are. `known` is when
    each row was answered, None: at its time.
    """

    spine: pl.DataFrame
    time: pl.Series
    inputs: pl.DataFrame
    label: npt.NDArray[Any]
    known: pl.Series | None = None


def dump_validation_rows(rows: ValidationRows) -> bytes:
    """Return rows as Parquet; the same rows are the same bytes."""
    columns = [pl.Series(_TIME, rows.time), pl.Series(_LABEL, np.asarray(rows.label))]
    columns += [] if rows.known is None else [rows.known.alias(_KNOWN)]
    columns += [column.alias(_SPINE + column.name) for column in rows.spine]
    columns += [column.alias(_INPUT + column.name) for column in rows.inputs]
    out = BytesIO()
    pl.DataFrame(columns).write_parquet(out, compression="zstd")
    return out.getvalue()


def load_validation_rows(content: bytes) -> ValidationRows:
    """Return the rows of a Parquet file that `dump_validation_rows` made."""
    frame = pl.read_parquet(BytesIO(content))
    return ValidationRows(
        spine=_named(frame, _SPINE),
        time=frame[_TIME],
        inputs=_named(frame, _INPUT),
        label=frame[_LABEL].to_numpy(),
        known=frame[_KNOWN] if _KNOWN in frame.columns else None,
    )


def without_rows(rows: ValidationRows, gone: pl.Series) -> ValidationRows:
    """Return the rows that are not gone, in their order."""
    kept = ~gone
    return ValidationRows(
        spine=rows.spine.filter(kept),
        time=rows.time.filter(kept),
        inputs=rows.inputs.filter(kept),
        label=rows.label[kept.to_numpy()],
        known=None if rows.known is None else rows.known.filter(kept),
    )


def _named(frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    names: Sequence[str] = [name for name in frame.columns if name.startswith(prefix)]
    return frame.select(pl.col(name).alias(name.removeprefix(prefix)) for name in names)
