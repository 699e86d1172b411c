"""The template of flights with its sources in BigQuery gives the training set of its files."""

from __future__ import annotations

from io import BytesIO

import polars as pl
import pytest

from tests.servers.bigquery import PROJECT
from tests.sources.flights_elsewhere import queries, same_training_set

pytestmark = pytest.mark.guests
TYPES = {
    pl.String: "STRING", pl.Int8: "INT64", pl.Int16: "INT64", pl.Int32: "INT64", pl.Float64: "FLOAT64",
    pl.Boolean: "BOOL", pl.Datetime: "TIMESTAMP",
}  # fmt: skip


def test_flights_in_bigquery_give_the_training_set_of_files(tmp_path, bigquery_server):
    from google.cloud.bigquery import LoadJobConfig, SchemaField

    dataset, client = bigquery_server.made_dataset(), bigquery_server.client()

    def write(name: str, rows: pl.DataFrame) -> None:
        fields = [SchemaField(column, TYPES[dtype.base_type()]) for column, dtype in rows.schema.items()]
        content = BytesIO()
        rows.cast({pl.Int8: pl.Int64, pl.Int16: pl.Int64, pl.Int32: pl.Int64}).write_parquet(content)
        content.seek(0)
        config = LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_APPEND", schema=fields)
        client.load_table_from_file(content, f"{PROJECT}.{dataset}.{name}", job_config=config).result()

    same_training_set(tmp_path, write, queries(bigquery_server.url(dataset)))
