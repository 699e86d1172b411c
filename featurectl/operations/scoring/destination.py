"""Where scores go: a file, a Delta table, a folder, or a table of a database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.operations.outputs.all_output_formats import FORMATS, check_columns
from featurectl.operations.outputs.frames import Frames
from featurectl.operations.outputs.write_table import check_output, write_with_manifest

_DATABASES = ("postgresql", "sqlite")
_BROKERS = ("kafka", "redis", "rediss")  # whose URLs mean topics alone


class Destination(Protocol):
    """An output that gets all rows or none."""

    @property
    def shown(self) -> str:
        """Its name, without a secret."""

    def check(self) -> None:
        """Refuse an output that could not be written, before any work is done.

        Raises:
            UsageError, StoreError: it can't be.
        """

    def check_columns(self, schema: pl.Schema) -> None:
        """Refuse columns that it can't hold.

        Raises:
            UsageError: there is one.
        """

    def write(self, frames: Frames, manifest: Mapping[str, object]) -> None:
        """Put rows and what they were made of in the place of what is there.

        Raises:
            UsageError, StoreError: it can't be written; then it is as it was.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDestination:
    """A Parquet or CSV file or a Delta table, with `FILE.manifest.json` beside it.

    `in_folder` says that its folder was named, which need not be there.
    """

    path: Path
    in_folder: bool = False

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.path)

    def check(self) -> None:
        """See that it can be written; the folder that it is to be in is made."""
        if self.in_folder:
            try:
                self.path.parent.mkdir(exist_ok=True)
            except OSError as error:
                raise write_failure(f"--out {self.path.parent}", error) from error
        check_output(self.path)

    def check_columns(self, schema: pl.Schema) -> None:
        """See that its format can hold the columns."""
        check_columns(schema, self.path)

    def write(self, frames: Frames, manifest: Mapping[str, object]) -> None:
        """Write rows and manifest."""
        write_with_manifest(frames, self.path, manifest)


def open_destination(out: str, model: str) -> Destination:
    """Return what `--out` means: a database by its URL, a folder (`MODEL.parquet` in it), else a file by its ending.

    Raises:
        UsageError: it means nothing.
    """
    scheme, mark, _ = out.partition("://")
    if mark:
        if scheme.partition("+")[0] in _DATABASES:
            from featurectl.operations.scoring.sql_table import open_table

            return open_table(out)
        if scheme == "snowflake":
            from featurectl.operations.scoring.snowflake_table import open_snowflake_table

            return open_snowflake_table(out)
        if scheme == "bigquery":
            from featurectl.operations.scoring.bigquery_table import open_bigquery_table

            return open_bigquery_table(out)
        if scheme in _BROKERS:
            raise UsageError(f"--out {scheme}://...: into which topic?", hint="?topic=scores")
        hint = (
            "a file, a folder, or postgresql://HOST/DB?table=NAME, sqlite:///FILE?table=NAME, "
            "snowflake://USER@ACCOUNT/DB/SCHEMA?table=NAME, bigquery://PROJECT/DATASET/TABLE, topic:NAME"
        )
        raise UsageError(f"--out {scheme}://...: no database that scores can go into", hint=hint)
    path = Path(out)
    if out.endswith(os.sep) or (path.is_dir() and path.suffix.lower() not in FORMATS):
        return FileDestination(path=path / f"{model}.parquet", in_folder=True)
    return FileDestination(path=path)
