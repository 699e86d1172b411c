"""Write a table of results whole or not at all, and the manifest beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import polars as pl

from featurectl.core.beside import temporary_beside
from featurectl.core.errors import UsageError
from featurectl.language.syntax.own_files import why_no_output
from featurectl.offline.sync import sync_path
from featurectl.operations.training.delta_table import commit_file, is_delta_table, only_file
from featurectl.operations.training.formats import (
    FORMATS,
    Frames,
    check_columns,
    delta_frames,
    format_of,
    frames_of,
    write_csv,
    write_parquet,
)


def check_output(path: Path) -> None:
    """Refuse an output that could not be written, before any work is done.

    Raises:
        UsageError: the name ends in no known format, something else lies there, or the folder is missing or can't be
            written.
    """
    if format_of(path) is None:
        raise UsageError(f"--out {path}: what format is it?", hint="names end in " + ", ".join(FORMATS))
    with _writing(path):
        _check_place(path)


def _check_place(path: Path) -> None:
    folder = path.absolute().parent
    if format_of(path) != "delta" and path.is_dir():
        raise UsageError(f"--out {path} is a folder")
    if format_of(path) == "delta" and _is_something_else(path):
        raise UsageError(f"--out {path} is there, and no Delta table")
    if not folder.is_dir():
        raise UsageError(f"--out {path}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {path}: the folder {folder} can't be written")


def _is_something_else(path: Path) -> bool:
    if not path.is_dir():
        return path.exists()
    return any(path.iterdir()) and not is_delta_table(path)


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """Write rows as Parquet, CSV or Delta under a name that appears only when they are there whole.

    Raises:
        UsageError: the output can't be written, or not with these columns.
    """
    with _writing(path), _staged(frames_of(rows), path) as staged:
        sync_path(staged.file)
        staged.publish()


def manifest_path(path: Path) -> Path:
    """Return where the manifest of a file stands.

    >>> manifest_path(Path("out/train.parquet")).as_posix()
    'out/train.parquet.manifest.json'
    """
    return path.with_name(f"{path.name}.manifest.json")


def write_with_manifest(
    rows: pl.DataFrame | Frames, path: Path, manifest: Mapping[str, object], original: str = ""
) -> dict[str, object]:
    """Write rows as `write_table` does and their manifest beside them, and return the manifest as it was written.

    A file with the digest `original` at the path stays as it is, with its manifest, when the new one has another.

    The manifest's key `file` holds the format, size and digest of the rows' file. Whenever this ends, even at a loss
    of power, there are the old files, the new ones, or rows without a manifest: never rows beside that of others.

    Raises:
        UsageError: a file can't be written, or not with these columns.
    """
    beside, folder = manifest_path(path), path.absolute().parent
    frames = frames_of(rows) if isinstance(rows, pl.DataFrame) else rows
    with _writing(path), _staged(frames, path) as staged, temporary_beside(beside) as text:
        file = _describe(staged.file)
        document = {**manifest, "file": {"format": format_of(path), **file}}
        if file["sha256"] != original and has_digest(path, original):
            return document
        text.write_text(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
        sync_path(staged.file)
        sync_path(text)
        beside.unlink(missing_ok=True)
        sync_path(folder)  # the old manifest is gone before the old rows are
        staged.publish()
        sync_path(folder)  # the new rows are there before their manifest is
        text.replace(beside)
        sync_path(folder)
    return document


def has_digest(path: Path, sha256: str) -> bool:
    """Return whether what lies at a path is a file of rows with a digest, or a Delta table of one that has it."""
    file = only_file(path) if is_delta_table(path) else path
    return file is not None and file.is_file() and _describe(file)["sha256"] == sha256


def _describe(file: Path) -> dict[str, object]:
    with file.open("rb") as content:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(content, "sha256").hexdigest()}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    if reason := why_no_output(path):
        raise UsageError(f"{path} is not written: {reason}", hint="remove the link, or name another file")
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UsageError(f"{path} can't be written: {str(error).splitlines()[0]}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """A whole file of rows under a name of its own, and what makes it the output."""

    file: Path
    publish: Callable[[], object]


@contextmanager
def _staged(frames: Frames, path: Path) -> Iterator[_Staged]:
    """Write rows into a temporary file beside a path, and give it."""
    check_columns(frames.schema, path)
    form = format_of(path)
    with temporary_beside(path) as file:
        match form:
            case "parquet":
                write_parquet(frames, file)
                yield _Staged(file=file, publish=lambda: file.replace(path))
            case "csv":
                write_csv(frames, file)
                yield _Staged(file=file, publish=lambda: file.replace(path))
            case "delta":
                typed = delta_frames(frames)
                write_parquet(typed, file)
                with temporary_beside(path, folder=True) as new:
                    yield _Staged(file=file, publish=lambda: commit_file(path, file, typed.schema, typed.height, new))
            case None:
                raise UsageError(f"{path}: what format is it?", hint="names end in " + ", ".join(FORMATS))
            case never:
                assert_never(never)
