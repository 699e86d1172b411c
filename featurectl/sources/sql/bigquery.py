"""Queries to BigQuery: described without cost by a dry run, then run as a job whose rows come as Arrow."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import asks_since, with_since
from featurectl.sources.sql import bigquery_client
from featurectl.sources.sql.bigquery_address import FORM, bigquery_address
from featurectl.sources.sql.bigquery_client import BigQueryRefusalError, BigQuerySite, bigquery_failures, patience
from featurectl.sources.sql.bigquery_types import bigquery_frame, polars_types
from featurectl.sources.sql.query_run import NOT_READING, SqlQueryRun
from featurectl.sources.sql.read_ahead import SilenceWatch, read_ahead
from featurectl.sources.sql.running_query import RunningQuery, check_named_once

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, QueryJob, QueryJobConfig

PAGE_ROWS: Final = 50_000
_STREAMS: Final = 4  # of the Storage Read API at once: each holds some batches


@contextmanager
def run_in_bigquery(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`. It is described first, and runs when rows are wanted."""
    try:
        address = bigquery_address(query.url)
    except ValueError as error:
        message = f"source {query.source.name}: {query.shown} is no address of BigQuery: {error}"
        raise DataError(message, code="FC508", hint=FORM) from error
    site = BigQuerySite(address=address, root=query.root)
    with site.connected(query.unreachable("")) as client:
        run = BigQueryRun(query=query, site=site, client=client, since=since)
        with run.failures():
            job = run.begun(is_dry=True)
            types = run.types(job)
        frames = run.frames(types)
        try:
            yield RunningQuery(types={**types}, frames=frames, billed_bytes=job.total_bytes_processed)
        finally:
            frames.close()


@dataclass(slots=True, kw_only=True)
class BigQueryRun:
    """A query as it is asked; `since` is a parameter of it."""

    query: SqlQueryRun
    site: BigQuerySite
    client: Client
    since: datetime | None
    _job: QueryJob | None = field(default=None, init=False)
    _storage: Any = field(default=None, init=False)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Say what fails as errors of the source."""
        try:
            with bigquery_failures(self.query.unreachable("")):
                yield
        except BigQueryRefusalError as error:
            raise self.query.failed(str(error)) from error.__cause__

    def types(self, job: QueryJob) -> dict[str, pl.DataType]:
        """Return the types of the columns as a dry run tells them, which reads no row and costs nothing."""
        if job.statement_type not in ("SELECT", None):
            raise self.query.failed(NOT_READING)
        fields = job.schema or ()
        check_named_once([each.name for each in fields], self.query.where)
        return polars_types(fields, self.query.where)

    def frames(self, types: dict[str, pl.DataType]) -> Generator[pl.DataFrame]:
        """Yield the rows as they come."""
        watch = SilenceWatch(silent_s=bigquery_client.ANSWER_S, probe=self._probe, cancel=self._cancel)
        with self.failures(), closing(read_ahead(self._batches(types), watch)) as batches:  # type: ignore[type-var]  # a generator
            for batch in batches:
                yield bigquery_frame(batch, types, self.query.where)

    def _batches(self, types: dict[str, pl.DataType]) -> Iterator[Any]:
        """Yield Arrow of the rows: by the Storage Read API, or by pages where it is not to be had."""
        from google.api_core.exceptions import Forbidden

        self._job = self.begun(is_dry=False)
        rows = self._job.result(page_size=PAGE_ROWS)
        if polars_types(rows.schema, self.query.where) != types:
            said = "its columns changed while it was begun"
            raise ConnectionCutError(self.query.unreachable(said), code="FC605")
        self._storage = self.site.storage(self.client)
        had_any = False
        try:
            batches = rows.to_arrow_iterable(
                bqstorage_client=self._storage, max_queue_size=_STREAMS, max_stream_count=_STREAMS
            )
            for batch in batches:
                had_any = True
                yield batch
        except Forbidden:  # who may read a table need not be allowed to read it by streams
            if had_any or self._storage is None:
                raise
            yield from self._job.result(page_size=PAGE_ROWS).to_arrow_iterable()
        finally:
            self._close_storage()

    def begun(self, *, is_dry: bool) -> QueryJob:
        """Begin the query, or have it described, and return its job."""
        from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY

        return self.client.query(
            with_since(self._text, "@since"),
            job_config=self._config(is_dry=is_dry),
            timeout=bigquery_client.ANSWER_S,
            retry=patience(),
            job_retry=None if is_dry else DEFAULT_JOB_RETRY.with_timeout(bigquery_client.ANSWER_S),
        )

    def _config(self, *, is_dry: bool) -> QueryJobConfig:
        from google.cloud.bigquery import QueryJobConfig, ScalarQueryParameter

        address = self.site.address
        moment = self.query.since_value(self.since, "postgresql")
        config = QueryJobConfig(
            dry_run=is_dry,
            use_query_cache=address.use_query_cache and not is_dry,  # a dry run says what is read without it
            labels={**address.labels},
            query_parameters=[ScalarQueryParameter("since", "TIMESTAMP", moment)] if asks_since(self._text) else [],
        )
        if address.dataset:
            config.default_dataset = f"{self.client.project}.{address.dataset}"
        if address.maximum_bytes_billed is not None:
            config.maximum_bytes_billed = address.maximum_bytes_billed
        if address.priority and not is_dry:
            config.priority = address.priority
        return config

    def _probe(self) -> None:
        """See whether BigQuery answers, as no row comes: the query may take its time."""
        with closing(self.site.opened(self.query.unreachable(""))) as other, self.failures():
            if self._job is None:
                return  # it is being begun, which is waited for no longer than a request
            other.get_job(self._job.job_id, location=self._job.location, retry=None, timeout=bigquery_client.ANSWER_S)

    def _cancel(self) -> None:
        """End the query in BigQuery, so that nobody pays for more of it, and what reads its rows."""
        self._close_storage()
        if self._job is not None:
            with suppress(Exception):  # nobody waits for it
                self._job.cancel(retry=None, timeout=bigquery_client.ANSWER_S)

    def _close_storage(self) -> None:
        storage, self._storage = self._storage, None
        if storage is not None:
            with suppress(Exception):
                storage.transport.close()

    @property
    def _text(self) -> str:
        assert self.query.source.sql is not None
        return self.query.source.sql.query
