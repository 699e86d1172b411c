"""The kinds of online stores, by the scheme of their URL; a new kind is a line in `STORES` and a module beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.errors import UsageError
from featurectl.core.variables import shown_location
from featurectl.online.base import AsyncRowReader, OnlineStore, OnlineView
from featurectl.online.request_keys import RequestKeys
from featurectl.online.stream_state.protocols import AsyncStreamReader, MicrosecondClock, StreamState

T = TypeVar("T")
_Open = Callable[[str, str], OnlineStore]
_OpenAsync = Callable[[str, str, float], AsyncRowReader]
_OpenStreamReader = Callable[[str, str, float], AsyncStreamReader]
_OpenStreams = Callable[[str, str, "MicrosecondClock | None"], StreamState]
WriteUnits = Callable[[OnlineView, int], int]  # of a row of a view version that has, with its key, so many bytes
_OpenRequestKeys = Callable[[str, str, float], RequestKeys]


def _open_sqlite(url: str, shown: str) -> OnlineStore:
    from featurectl.online.sqlite.store import SqliteStore

    return SqliteStore(Path(url.removeprefix(SQLITE_URL)), shown)


def _read_sqlite(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    from featurectl.online.sqlite.store import AsyncSqliteReader

    return AsyncSqliteReader(Path(url.removeprefix(SQLITE_URL)), shown, budget_s)


def _open_sqlite_streams(url: str, shown: str, clock: MicrosecondClock | None) -> StreamState:
    from featurectl.online.sqlite.stream_file import host_clock
    from featurectl.online.sqlite.stream_state import SqliteStreamState

    return SqliteStreamState(Path(url.removeprefix(SQLITE_URL)), shown, clock or host_clock)


def _read_sqlite_streams(url: str, shown: str, budget_s: float) -> AsyncStreamReader:
    from featurectl.online.sqlite.stream_state import AsyncSqliteStreamReader

    return AsyncSqliteStreamReader(Path(url.removeprefix(SQLITE_URL)), shown, budget_s)


def _open_redis(url: str, shown: str) -> OnlineStore:
    from featurectl.online.redis.store import RedisStore

    return RedisStore(url, shown)


def _open_redis_streams(url: str, shown: str, clock: MicrosecondClock | None) -> StreamState:
    from featurectl.online.redis.stream_state import RedisStreamState

    return RedisStreamState(url, shown, clock)


def _read_redis_streams(url: str, shown: str, budget_s: float) -> AsyncStreamReader:
    from featurectl.online.redis.stream_aio import AsyncRedisStreamReader

    return AsyncRedisStreamReader(url, shown, budget_s)


def _read_redis(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    from featurectl.online.redis.aio import AsyncRedisReader

    return AsyncRedisReader(url, shown, budget_s)


def _open_cluster(url: str, shown: str) -> OnlineStore:
    from featurectl.online.redis.cluster import RedisClusterStore

    return RedisClusterStore(url, shown)


def _open_cluster_streams(url: str, shown: str, clock: MicrosecondClock | None) -> StreamState:
    from featurectl.online.redis.stream_cluster import RedisClusterStreamState

    return RedisClusterStreamState(url, shown, clock)


def _read_cluster_streams(url: str, shown: str, budget_s: float) -> AsyncStreamReader:
    from featurectl.online.redis.stream_aio import AsyncClusterStreamReader

    return AsyncClusterStreamReader(url, shown, budget_s)


def _read_cluster(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    from featurectl.online.redis.aio import AsyncClusterReader

    return AsyncClusterReader(url, shown, budget_s)


def _open_postgres(url: str, shown: str) -> OnlineStore:
    from featurectl.online.postgres.store import PostgresStore

    return PostgresStore(url, shown)


def _read_postgres(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    from featurectl.online.postgres.aio import AsyncPostgresReader

    return AsyncPostgresReader(url, shown, budget_s)


def _open_dynamodb(url: str, shown: str) -> OnlineStore:
    from featurectl.online.dynamodb.store import DynamoStore

    return DynamoStore(url, shown)


def _read_dynamodb(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    from featurectl.online.dynamodb.aio import AsyncDynamoReader

    return AsyncDynamoReader(url, shown, budget_s)


def _sqlite_request_keys(url: str, shown: str, limit_s: float) -> RequestKeys:
    from featurectl.online.sqlite.request_keys import SqliteRequestKeys

    return SqliteRequestKeys(Path(url.removeprefix(SQLITE_URL)), shown, limit_s)


def _redis_request_keys(url: str, shown: str, limit_s: float) -> RequestKeys:
    from featurectl.online.redis.request_keys import RedisRequestKeys

    return RedisRequestKeys(url, shown, limit_s)


def _postgres_request_keys(url: str, shown: str, limit_s: float) -> RequestKeys:
    from featurectl.online.postgres.request_keys import PostgresRequestKeys

    return PostgresRequestKeys(url, shown, limit_s)


def _open_postgres_streams(url: str, shown: str, clock: MicrosecondClock | None) -> StreamState:
    from featurectl.online.postgres.stream_state import PostgresStreamState

    return PostgresStreamState(url, shown, clock)


def _read_postgres_streams(url: str, shown: str, budget_s: float) -> AsyncStreamReader:
    from featurectl.online.postgres.stream_state import AsyncPostgresStreamReader

    return AsyncPostgresStreamReader(url, shown, budget_s)


def _dynamodb_request_keys(url: str, shown: str, limit_s: float) -> RequestKeys:
    from featurectl.online.dynamodb.request_keys import DynamoRequestKeys

    return DynamoRequestKeys(url, shown, limit_s)


def _open_dynamodb_streams(url: str, shown: str, clock: MicrosecondClock | None) -> StreamState:  # noqa: ARG001
    from featurectl.online.dynamodb.address import no_streams

    raise no_streams(shown)


def _read_dynamodb_streams(url: str, shown: str, budget_s: float) -> AsyncStreamReader:
    from featurectl.online.dynamodb.aio import AsyncDynamoReader

    return AsyncDynamoReader(url, shown, budget_s)


def _dynamodb_units() -> WriteUnits:
    from featurectl.online.dynamodb.items import write_units

    return write_units


STORES: Final[Mapping[str, tuple[_Open, _OpenAsync]]] = {
    SQLITE_URL: (_open_sqlite, _read_sqlite),
    "redis://": (_open_redis, _read_redis),
    "rediss://": (_open_redis, _read_redis),
    "redis+cluster://": (_open_cluster, _read_cluster),
    "rediss+cluster://": (_open_cluster, _read_cluster),
    "postgresql://": (_open_postgres, _read_postgres),
    "dynamodb://": (_open_dynamodb, _read_dynamodb),
}
STREAM_STATES: Final[Mapping[str, tuple[_OpenStreams, _OpenStreamReader]]] = {
    SQLITE_URL: (_open_sqlite_streams, _read_sqlite_streams),
    "redis://": (_open_redis_streams, _read_redis_streams),
    "rediss://": (_open_redis_streams, _read_redis_streams),
    "redis+cluster://": (_open_cluster_streams, _read_cluster_streams),
    "rediss+cluster://": (_open_cluster_streams, _read_cluster_streams),
    "postgresql://": (_open_postgres_streams, _read_postgres_streams),
    "dynamodb://": (_open_dynamodb_streams, _read_dynamodb_streams),
}
REQUEST_KEYS: Final[Mapping[str, _OpenRequestKeys]] = {
    SQLITE_URL: _sqlite_request_keys,
    "redis://": _redis_request_keys,
    "rediss://": _redis_request_keys,
    "redis+cluster://": _redis_request_keys,
    "rediss+cluster://": _redis_request_keys,
    "postgresql://": _postgres_request_keys,
    "dynamodb://": _dynamodb_request_keys,
}
WRITE_UNITS: Final[Mapping[str, Callable[[], WriteUnits]]] = {"dynamodb://": _dynamodb_units}
_NO_LIBPQ: Final = "no pq wrapper"
_REDIS: Final = ("an online store in Redis needs the package redis", "pip install 'featurectl[redis]'")
_POSTGRES: Final = ("an online store in PostgreSQL needs the package psycopg", "pip install 'featurectl[postgres]'")
_DYNAMODB: Final = ("an online store in DynamoDB needs the package boto3", "pip install 'featurectl[dynamodb]'")
_LIBRARIES: Final = {
    "redis": _REDIS, "hiredis": _REDIS, "psycopg": _POSTGRES, "boto3": _DYNAMODB, "botocore": _DYNAMODB
}  # fmt: skip


def write_units(url: str) -> WriteUnits | None:
    """Return how many write units a row costs in the online store at a URL; None: it takes no money for writes."""
    found = next((units for scheme, units in WRITE_UNITS.items() if url.startswith(scheme)), None)
    return None if found is None else found()


def check_keeps_streams(url: str, shown: str) -> None:
    """Do nothing where the online store at a URL keeps the state of streams.

    Raises:
        UsageError: it keeps none.
    """
    if url.startswith("dynamodb://"):
        from featurectl.online.dynamodb.address import no_streams

        raise no_streams(shown)


def open_online(url: str, shown: str = "") -> OnlineStore:
    """Return the online store at a URL, which errors call `shown`, or by its URL without secrets; nothing is connected.

    Raises:
        UsageError: there is no such kind, its library is not installed, or the URL is none of it.
    """
    shown = shown or shown_location(url)
    with _library_named():
        return _kind_of(url, shown)[0](url, shown)


def open_stream_state(url: str, shown: str = "", clock: MicrosecondClock | None = None) -> StreamState:
    """Return the state of streams in the online store at a URL; nothing is connected. `clock` is a test's.

    Raises:
        UsageError: as `open_online`.
    """
    shown = shown or shown_location(url)
    with _library_named():
        return _of_scheme(STREAM_STATES, url, shown)[0](url, shown, clock)


def open_request_keys(url: str, shown: str, limit_s: float) -> RequestKeys:
    """Return the keys of requests in the online store at a URL, which answers in so many seconds; nothing is connected.

    Raises:
        UsageError: as `open_online`.
    """
    with _library_named():
        return _of_scheme(REQUEST_KEYS, url, shown)(url, shown, limit_s)


def open_async_stream_reader(url: str, shown: str, budget_s: float) -> AsyncStreamReader:
    """Return a reader of the lists in the store at a URL for one event loop, whose library is there.

    Raises:
        UsageError: there is no such kind, or the URL is none of it.
    """
    return _of_scheme(STREAM_STATES, url, shown)[1](url, shown, budget_s)


@contextmanager
def _library_named() -> Iterator[None]:
    """Say which package a kind of store needs where it is not installed."""
    try:
        yield
    except ImportError as error:
        name = error.name or ("psycopg" if _NO_LIBPQ in str(error) else "")  # a package without the library below it
        if name not in _LIBRARIES:
            raise
        message, hint = _LIBRARIES[name]
        raise UsageError(message, hint=hint) from error


def open_async_reader(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    """Return a reader of the store at a URL for one event loop, whose library is there; it answers in so many seconds.

    Raises:
        UsageError: there is no such kind, or the URL is none of it.
    """
    return _kind_of(url, shown)[1](url, shown, budget_s)


def _kind_of(url: str, shown: str) -> tuple[_Open, _OpenAsync]:
    return _of_scheme(STORES, url, shown)


def _of_scheme(kinds: Mapping[str, T], url: str, shown: str) -> T:
    kind, mark, _ = url.partition("://")
    found = next((opened for scheme, opened in kinds.items() if url.startswith(scheme)), None)
    if found is None:
        problem = f"no online store of kind {kind!r}" if mark else f"the online store {shown} is no URL"
        raise UsageError(problem, hint="online stores: " + ", ".join(kinds))
    return found
