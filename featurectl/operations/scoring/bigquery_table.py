"""Scores as a table of BigQuery: one load job of a Parquet file, which takes all rows or none."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import polars as pl

from featurectl.core.errors import UsageError
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.temporary_folders import temporary_folder
from featurectl.core.variables import shown_location
from featurectl.operations.outputs.frames import Frames
from featurectl.sources.sql import bigquery_client
from featurectl.sources.sql.bigquery_address import BigQueryAddress, bigquery_address
from featurectl.sources.sql.bigquery_client import BigQueryRefusalError, BigQuerySite, bigquery_failures, patience

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, LoadJob, LoadJobConfig, SchemaField

TABLE_FORM: Final = "bigquery://PROJECT/DATASET/TABLE"
_GROUP_ROWS: Final = 100_000  # of a Parquet file: BigQuery reads a group at once
_UPLOAD_S: Final = 120.0  # for a piece of a file to be taken
_ASK_S: Final = (0.1, 5.0)  # so soon it is asked whether rows are there, and so seldom at last
_MOST_JOBS: Final = 20  # of one run that were begun and failed
_NUMERIC: Final = 29, 9  # digits before and behind the point
_TYPES: Final[Mapping[type[pl.DataType], str]] = {
    pl.Boolean: "BOOL", pl.Float32: "FLOAT64", pl.Float64: "FLOAT64", pl.String: "STRING", pl.Categorical: "STRING",
    pl.Enum: "STRING", pl.Binary: "BYTES", pl.Date: "DATE", pl.Null: "STRING", pl.UInt64: "NUMERIC",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BigQueryDestination:
    """A table, with what it was made of in `TABLE_manifest`; `names` are dataset and table."""

    url: str
    address: BigQueryAddress

    @property
    def shown(self) -> str:
        """The table's URL, without its parameters."""
        return shown_location(self.url)

    def check(self) -> None:
        """See that the dataset is there, and may be seen."""
        with self._connected() as client:
            client.get_dataset(self.address.dataset, retry=patience(), timeout=bigquery_client.ANSWER_S)

    def check_columns(self, schema: pl.Schema) -> None:
        """See that BigQuery can hold the columns, and that a table that is there has these and no others."""
        folded = [column.lower() for column in schema]
        for column, dtype in schema.items():
            if _type(dtype) is None:
                hint = "write Parquet: --out NAME.parquet"
                raise UsageError(f"--out {self.shown}: column {column!r} is {dtype}, which it can't hold", hint=hint)
            if folded.count(column.lower()) > 1:
                message = f"--out {self.shown}: column {column!r} is there twice but for its case, which is none there"
                raise UsageError(message, hint="rename one in the spine")
        with self._connected() as client:
            self._check_there(client, self._table, folded)
            self._check_there(client, f"{self._table}_manifest", ["manifest"])

    def write(self, frames: Frames, manifest: Mapping[str, object]) -> None:
        """Put the rows in the place of those of the table, then the manifest in that of the one beside it.

        A run that was killed behind that, and is continued, finds its job by its name and loads nothing twice.
        """
        document = json.dumps(manifest, default=str, ensure_ascii=False)
        digest = hashlib.sha256(f"{self.shown}\n{document}".encode()).hexdigest()[:32]
        with self._connected() as client, temporary_folder("scores") as folder:
            file = folder / "scores.parquet"
            _write_parquet(frames, file)
            with file.open("rb") as rows:
                job = self._loaded(client, self._table, rows, _fields(frames.schema), f"featurectl_score_{digest}")
            content = BytesIO()
            _manifest_of(document, job).write_parquet(content)
            content.seek(0)
            fields = _fields(_manifest_of(document, job).schema)
            name = f"featurectl_manifest_{digest}"
            self._loaded(client, f"{self._table}_manifest", content, fields, name)

    @property
    def _table(self) -> str:
        return self.address.names[1]

    def _reference(self, client: Client, table: str) -> str:
        return f"{client.project}.{self.address.dataset}.{table}"

    def _check_there(self, client: Client, table: str, wanted: list[str]) -> None:
        """See that a table has some columns, if it is there."""
        from google.api_core.exceptions import NotFound

        try:
            found = client.get_table(self._reference(client, table), retry=patience(), timeout=bigquery_client.ANSWER_S)
        except NotFound:
            return
        if others := sorted({field.name.lower() for field in found.schema} ^ {*wanted}):
            hint = "name another table, or drop this one"
            message = f"--out {self.shown}: table {table} is there with other columns: {', '.join(others)}"
            raise UsageError(message, hint=hint)

    def _loaded(self, client: Client, table: str, content: IO[bytes], fields: list[SchemaField], name: str) -> str:
        """Load a file into a table by a job of some name, and return the job's; one that has done it is not repeated.

        A job that failed keeps its name, and one whose rows somebody has replaced has done nothing: others follow.
        """
        from google.api_core.exceptions import Conflict

        for number in range(_MOST_JOBS):
            name_now = f"{name}_{number}"
            content.seek(0)
            try:
                job = client.load_table_from_file(
                    content,
                    self._reference(client, table),
                    job_id=name_now,
                    job_config=self._config(fields, name_now),
                    timeout=_UPLOAD_S,
                )
            except Conflict:
                job = self._begun_before(client, name_now)
                _wait(job)
                if job.error_result is None and self._is_from(client, table, name_now):
                    return name_now
                continue
            _wait(job)
            job.result(retry=patience(), timeout=bigquery_client.ANSWER_S)
            return name_now
        raise BigQueryRefusalError(f"{_MOST_JOBS} jobs of this run failed")

    def _begun_before(self, client: Client, name: str) -> LoadJob:
        """Return the job of a name, which BigQuery looks for in the place of the dataset alone."""
        wait_s = bigquery_client.ANSWER_S
        place = client.get_dataset(self.address.dataset, retry=patience(), timeout=wait_s).location
        return client.get_job(name, location=place, retry=patience(), timeout=wait_s)

    def _is_from(self, client: Client, table: str, job: str) -> bool:
        """Return whether the rows of a table are those that a job has loaded: the table says so itself."""
        found = client.get_table(self._reference(client, table), retry=patience(), timeout=bigquery_client.ANSWER_S)
        return str(found.description or "").endswith(job)

    def _config(self, fields: list[SchemaField], job: str) -> LoadJobConfig:
        from google.cloud.bigquery import LoadJobConfig

        config = LoadJobConfig(
            source_format="PARQUET",
            write_disposition="WRITE_TRUNCATE",
            create_disposition="CREATE_IF_NEEDED",
            schema=fields,
            labels={**self.address.labels},
        )
        config.destination_table_description = f"scores of featurectl, job {job}"
        return config

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        site = BigQuerySite(address=self.address, root=Path())
        try:
            with site.connected(f"--out {self.shown}: ") as client, bigquery_failures(f"{self._unwritten}: "):
                yield client
        except BigQueryRefusalError as error:
            said = hide_address_secrets(str(error), self.url)
            raise UsageError(f"{self._unwritten}: {said}") from error.__cause__

    @property
    def _unwritten(self) -> str:
        return f"{self.shown} can't be written"


def open_bigquery_table(out: str) -> BigQueryDestination:
    """Return the table that a URL names: `bigquery://PROJECT/DATASET/TABLE`.

    Raises:
        UsageError: it says something that can't be meant, or names no table.
    """
    shown = shown_location(out)
    try:
        address = bigquery_address(out)
    except ValueError as error:
        raise UsageError(f"--out {shown}: {error}", hint=TABLE_FORM) from error
    if len(address.names) < 2:
        raise UsageError(f"--out {shown}: into which table?", hint=TABLE_FORM)
    return BigQueryDestination(url=out, address=address)


def _wait(job: LoadJob) -> None:
    """Wait until a job has ended, well or not, as long as BigQuery answers."""
    pause_s, most_s = _ASK_S
    while not job.done(retry=patience(), timeout=bigquery_client.ANSWER_S):
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, most_s)


def _manifest_of(document: str, job: str) -> pl.DataFrame:
    """Return a manifest as a row, with the job whose rows it is about: the table's description names that, too."""
    return pl.DataFrame({"manifest": [json.dumps({**json.loads(document), "load_job": job}, ensure_ascii=False)]})


def _write_parquet(frames: Frames, file: Path) -> None:
    """Write all rows into one file, a frame at a time."""
    from pyarrow import parquet

    casts = pl.Schema({name: kept for name, dtype in frames.schema.items() if (kept := _kept(dtype)) != dtype})
    schema = pl.DataFrame(schema=frames.schema).cast(casts).to_arrow().schema
    with parquet.ParquetWriter(file, schema, compression="snappy") as writer:
        for frame in frames.read():
            rows = frame.cast(casts) if casts else frame
            writer.write_table(rows.to_arrow().cast(schema), row_group_size=_GROUP_ROWS)


def _kept(dtype: pl.DataType) -> pl.DataType:
    """Return the type that Parquet has, in which values of a type are sent."""
    if isinstance(dtype, pl.UInt64):
        return pl.Decimal(20, 0)
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return pl.String()
    if isinstance(dtype, pl.Float32):
        return pl.Float64()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone and "UTC")
    return pl.Int64() if dtype.is_integer() else dtype


def _fields(schema: pl.Schema) -> list[SchemaField]:
    from google.cloud.bigquery import SchemaField

    return [SchemaField(name, kind) for name, dtype in schema.items() if (kind := _type(dtype)) is not None]


def _type(dtype: pl.DataType) -> str | None:
    """Return the type of BigQuery that holds every value of a type, or None."""
    if isinstance(dtype, pl.Datetime):
        return None if dtype.time_unit == "ns" else "TIMESTAMP" if dtype.time_zone else "DATETIME"
    if isinstance(dtype, pl.Decimal):
        whole, behind = dtype.precision - dtype.scale, dtype.scale
        return "NUMERIC" if whole <= _NUMERIC[0] and behind <= _NUMERIC[1] else "BIGNUMERIC"
    if dtype.is_integer() and not isinstance(dtype, pl.UInt64 | pl.Int128 | pl.UInt128):
        return "INT64"
    return _TYPES.get(type(dtype))
