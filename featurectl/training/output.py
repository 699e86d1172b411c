"""Write a table of results whole or not at all, and the manifest beside it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.engines.polars.timestamps import INSTANT
from featurectl.errors import UsageError

WRITERS: Mapping[str, Callable[[pl.DataFrame, str], None]] = {
    ".parquet": lambda rows, path: rows.write_parquet(path, compression="zstd", compression_level=1),
    ".csv": lambda rows, path: _csv_texts(rows).write_csv(path, datetime_format=_UTC.format(6)),
}
_UTC: Final = "%Y-%m-%dT%H:%M:%S%.{}fZ"
_NAIVE: Final = "%Y-%m-%dT%H:%M:%S%.{}f"
_NOT_IN_CSV: Final = (pl.Struct, pl.Binary, pl.Duration, pl.Object)


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


def check_columns(schema: pl.Schema, path: Path) -> None:
    """Refuse columns that the output's format can't hold.

    CSV holds no structs, bytes and lengths of time, nor lists of them; Parquet no struct without fields.

    Raises:
        UsageError: there is one.
    """
    for name, dtype in schema.items():
        if any(isinstance(leaf, pl.Struct) and not leaf.fields for leaf in _within(dtype)):
            raise UsageError(f"--out {path}: column {name!r} is {dtype}, which neither Parquet nor CSV can hold")
        if path.suffix.lower() == ".csv" and any(isinstance(leaf, _NOT_IN_CSV) for leaf in _within(dtype)):
            hint = f"write Parquet: --out {path.with_suffix('.parquet')}"
            raise UsageError(f"--out {path}: column {name!r} is {dtype}, which CSV can't hold", hint=hint)


def _within(dtype: pl.DataType) -> Iterator[pl.DataType]:
    """Give a type and those inside it."""
    yield dtype
    for part in _parts(dtype):
        yield from _within(part)


def _parts(dtype: pl.DataType) -> list[pl.DataType]:
    """Return the types that a type is made of; those of a frame are all instances."""
    parts = [field.dtype for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    parts = [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else parts
    return [part for part in parts if isinstance(part, pl.DataType)]


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """Write rows as Parquet or CSV under a name that appears only when the file is whole.

    Raises:
        UsageError: the file can't be written, or not with these columns.
    """
    check_columns(rows.schema, path)
    with _writing(path), _temporary(path) as data:
        WRITERS[path.suffix.lower()](rows, str(data))
        _sync(data)
        data.replace(path)


def manifest_path(path: Path) -> Path:
    """Return where the manifest of a file stands.

    >>> manifest_path(Path("out/train.parquet")).as_posix()
    'out/train.parquet.manifest.json'
    """
    return path.with_name(f"{path.name}.manifest.json")


def write_with_manifest(rows: pl.DataFrame, path: Path, manifest: Mapping[str, object]) -> dict[str, object]:
    """Write rows as `write_table` does and their manifest beside them, and return the manifest as it was written.

    Its key `file` holds the size and the digest of the rows' file. Whenever this ends, even at a loss of power, there
    are the old files, the new ones, or rows without a manifest: never rows beside the manifest of others.

    Raises:
        UsageError: a file can't be written, or not with these columns.
    """
    check_columns(rows.schema, path)
    beside, folder = manifest_path(path), path.absolute().parent
    with _writing(path), _temporary(path) as data, _temporary(beside) as text:
        WRITERS[path.suffix.lower()](rows, str(data))
        document = {**manifest, "file": _describe(data)}
        text.write_text(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
        _sync(data)
        _sync(text)
        beside.unlink(missing_ok=True)
        _sync(folder)  # the old manifest is gone before the old rows are
        data.replace(path)
        _sync(folder)  # the new rows are there before their manifest is
        text.replace(beside)
        _sync(folder)
    return document


def _describe(file: Path) -> dict[str, object]:
    with file.open("rb") as content:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(content, "sha256").hexdigest()}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from error
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path} can't be written: {str(error).splitlines()[0]}") from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Give a new file beside a path, which is removed unless the body has given it another name."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    os.close(handle)
    file = Path(name)
    try:
        file.chmod(0o644)
        yield file
    finally:
        file.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """See that the content of a file, or the names in a folder, would outlive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _csv_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows as CSV has them: lists are JSON, instants UTC and all in the digits of their type.

    Instants that are UTC microseconds already are left to the writer.
    """
    return rows.with_columns(
        _json(rows[name]) if isinstance(dtype, pl.List | pl.Array) else _clock_text(rows[name], dtype)
        for name, dtype in rows.schema.items()
        if isinstance(dtype, pl.List | pl.Array | pl.Datetime) and dtype != INSTANT
    )


def _clock_text(column: pl.Series, dtype: pl.Datetime) -> pl.Series:
    digits = 9 if dtype.time_unit == "ns" else 6
    if dtype.time_zone is None:
        return column.dt.to_string(_NAIVE.format(digits))
    return column.dt.convert_time_zone("UTC").dt.to_string(_UTC.format(digits))


def _json(column: pl.Series) -> pl.Series:
    """A CSV cell is a scalar: a list becomes its JSON text."""
    lists = column.to_frame().select(_exact_items(pl.col(column.name), column.dtype)).to_series().to_list()
    texts = [None if value is None else json.dumps(value, default=str) for value in lists]
    return pl.Series(column.name, texts, pl.String)


def _exact_items(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return lists whose items Python has whole: nanoseconds as texts."""
    if isinstance(dtype, pl.List | pl.Array):
        lists = column if isinstance(dtype, pl.List) else column.arr.to_list()
        (item,) = _parts(dtype)
        return lists.list.eval(_exact_items(pl.element(), item))
    if isinstance(dtype, pl.Time):
        return column.dt.to_string("%H:%M:%S%.9f")
    return column.cast(pl.String) if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns" else column
