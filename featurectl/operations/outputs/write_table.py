"""Write a table of results whole or not at all, and the manifest beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.core.temporary_files import temporary_beside
from featurectl.language.syntax.own_files import why_no_output
from featurectl.offline.sync import sync_path
from featurectl.operations.outputs.all_output_formats import check_columns, format_of
from featurectl.operations.outputs.base import StagedTable
from featurectl.operations.outputs.frames import Frames, frames_of


def check_output(path: Path) -> None:
    """Check an output that could not be written, before any work is done.

    Raises:
        UsageError: the name ends in no known format, something else lies there, or the folder is missing or can't be
            written.
    """
    format_of(path)
    with _writing(path):
        _check_place(path)


def _check_place(path: Path) -> None:
    folder = path.absolute().parent
    format_of(path).check_place(path)
    if not folder.is_dir():
        raise UsageError(f"--out {path}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {path}: the folder {folder} can't be written")


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
        document = {**manifest, "file": {"format": format_of(path).name, **file}}
        if original and file["sha256"] != original and has_digest(path, original):
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
    file = format_of(path).file_of(path)
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
        raise write_failure(f"{path} can't be written", error) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise write_failure(f"{path} can't be written", error) from error


@contextmanager
def _staged(frames: Frames, path: Path) -> Iterator[StagedTable]:
    """Write rows into a temporary file beside a path, and give it."""
    check_columns(frames.schema, path)
    with format_of(path).stage(frames, path) as staged:
        yield staged
