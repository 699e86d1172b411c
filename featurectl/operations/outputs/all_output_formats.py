"""The formats of tables, by the ending of a name; each is one file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.errors import UsageError
from featurectl.operations.outputs.base import OutputFormat
from featurectl.operations.outputs.frames import types_within


def format_of(path: Path) -> OutputFormat:
    """Return the format that a name ends in.

    >>> format_of(Path("a/train.parquet")).title
    'Parquet'

    Raises:
        UsageError: it ends in none.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {path}: what format is it?", hint="names end in " + ", ".join(FORMATS))
    return FORMATS[path.suffix.lower()]()


def check_columns(schema: pl.Schema, path: Path) -> None:
    """Check that the output's format can hold the columns; none holds a struct without fields.

    Raises:
        UsageError: there is one that it can't.
    """
    form = format_of(path)
    for name, dtype in schema.items():
        if any(isinstance(leaf, pl.Struct) and not leaf.fields for leaf in types_within(dtype)):
            raise UsageError(f"--out {path}: column {name!r} is {dtype}, which no output can hold")
        if not form.holds(dtype):
            hint = f"write Parquet: --out {path.with_suffix('.parquet')}"
            raise UsageError(f"--out {path}: column {name!r} is {dtype}, which {form.title} can't hold", hint=hint)


def _parquet() -> OutputFormat:
    from featurectl.operations.outputs.parquet import ParquetOutput

    return ParquetOutput()


def _csv() -> OutputFormat:
    from featurectl.operations.outputs.csv import CsvOutput

    return CsvOutput()


def _delta() -> OutputFormat:
    from featurectl.operations.outputs.delta import DeltaOutput

    return DeltaOutput()


FORMATS: Final[Mapping[str, Callable[[], OutputFormat]]] = {".parquet": _parquet, ".csv": _csv, ".delta": _delta}
