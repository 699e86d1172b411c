"""A session of Snowflake, by ADBC: each call is made in a thread, for none of them can be interrupted, and watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from featurectl.core.errors import StoreError
from featurectl.core.postgres import NO_ANSWER, probe_seconds
from featurectl.sources.sql.read_ahead import SilenceWatch, read_ahead
from featurectl.sources.sql.snowflake_address import SnowflakeAddress
from featurectl.sources.sql.snowflake_server import why_silent

if TYPE_CHECKING:
    import pyarrow as pa

MODULES: Final = ("adbc_driver_snowflake", "pyarrow")
_OPTIONS: Final = {"adbc.rpc.result_queue_size": "2", "adbc.snowflake.rpc.prefetch_concurrency": "2"}
_CLOSE_S: Final = 2.0
_Made = TypeVar("_Made")


@dataclass(frozen=True, kw_only=True)
class SnowflakeSession:
    """A connection that is opened, used by one caller, and closed; `unreachable` makes an error of what is the matter.

    What the driver fails of is raised as it is: `dbapi.Error` or `OSError`.
    """

    address: SnowflakeAddress
    unreachable: Callable[[str], StoreError]
    _connections: list[Any] = field(default_factory=list)
    _cursors: list[Any] = field(default_factory=list)  # that of the statement that runs
    _in_use: Lock = field(default_factory=Lock)  # held in a call: to close what it uses would crash the process

    def open(self) -> None:
        """Sign in.

        Raises:
            StoreError: the server does not answer.
        """
        self._connections.append(next(self.ahead(self._opened())))

    def describe(self, text: str) -> pa.Schema:
        """Return the columns of a query, which does not run."""
        return next(self.ahead(self._described(text)))

    def run(self, text: str, values: Sequence[str] = ()) -> list[dict[str, object]]:
        """Run a statement and return its rows, which are few."""
        return [row for batch in self.ahead(self.batches(text, values)) for row in batch.to_pylist()]

    def batches(self, text: str, values: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a statement as they come, to be gone through by `ahead`."""
        with self._in_use, self._connections[0].cursor() as cursor:
            self._cursors[:] = [cursor]
            cursor.adbc_statement.set_options(**_OPTIONS)
            cursor.execute(text, tuple(values) or None)
            yield from cursor.fetch_record_batch()

    def ahead(self, made: Iterator[_Made]) -> Iterator[_Made]:
        """Yield what calls of the driver make.

        Raises:
            StoreError: nothing comes, and the server answers nothing else either.
        """
        return read_ahead(made, SilenceWatch(silent_s=probe_seconds(), probe=self._probe, cancel=self._cancel))

    def close(self) -> None:
        """Sign out; where a call of the driver does not end, when it does."""
        if self._connections:
            thread = Thread(target=self._close, name="featurectl close", daemon=True)
            thread.start()
            thread.join(_CLOSE_S)

    def _close(self) -> None:
        with self._in_use, suppress(Exception):
            self._connections[0].close()

    def _opened(self) -> Iterator[Any]:
        """Yield a connection, which is closed where nobody waits for it any more."""
        from adbc_driver_snowflake import dbapi

        connection = dbapi.connect(db_kwargs=dict(self.address.options), autocommit=True)
        try:
            yield connection
        except GeneratorExit:
            connection.close()
            raise

    def _described(self, text: str) -> Iterator[pa.Schema]:
        with self._in_use, self._connections[0].cursor() as cursor:
            yield cursor.adbc_execute_schema(text)

    def _probe(self) -> None:
        """See whether a server that gives nothing answers others."""
        if reason := why_silent(self.address.endpoint):
            raise self.unreachable(f"{NO_ANSWER} {probe_seconds():g} s, nor to another request: {reason}")

    def _cancel(self) -> None:
        for cursor in self._cursors:
            with suppress(Exception):
                cursor.adbc_cancel()
