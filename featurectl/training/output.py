"""Write a table of results whole or not at all, and the manifest beside it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from featurectl.errors import UsageError

WRITERS: Mapping[str, Callable[[pl.DataFrame, str], None]] = {
    ".parquet": lambda rows, path: rows.write_parquet(path, compression="zstd", compression_level=1),
    ".csv": lambda rows, path: rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ"),
}


def check_output(path: Path) -> None:
    """Refuse an output that could not be written, before any work is done.

    Raises:
        UsageError: the name ends in no known format, or the folder is missing or can't be written.
    """
    if path.suffix.lower() not in WRITERS:
        raise UsageError(f"--out {path}: what format is it?", hint="names end in " + ", ".join(WRITERS))
    folder = path.absolute().parent
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder")
    if not folder.is_dir():
        raise UsageError(f"--out {path}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {path}: the folder {folder} can't be written")


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """Write rows as Parquet or CSV under a name that appears only when the file is whole.

    Raises:
        UsageError: the file can't be written.
    """
    flat = rows if path.suffix.lower() != ".csv" else _without_lists(rows)
    _write_whole(path, lambda name: WRITERS[path.suffix.lower()](flat, name))


def write_json(document: Mapping[str, object], path: Path) -> None:
    """Write a JSON document under a name that appears only when the file is whole."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
    _write_whole(path, lambda name: Path(name).write_text(text))


def _write_whole(path: Path, write: Callable[[str], object]) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            write(name)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from error


def _without_lists(rows: pl.DataFrame) -> pl.DataFrame:
    """A CSV cell is a scalar: a list becomes its JSON text."""
    lists = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.List)]
    as_json = [
        pl.Series(name, [None if v is None else json.dumps(v.to_list(), default=str) for v in rows[name]], pl.String)
        for name in lists
    ]
    return rows.with_columns(as_json)
