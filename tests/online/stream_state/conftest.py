"""The state of streams in every kind of online store, as `opened`; each test has sources of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock, StreamState
from tests.online.stream_state.losses import PostgresLosses, RedisLosses, SqliteLosses
from tests.online.stream_state.real_store import Losses
from tests.servers.redis import RedisServer, redis_server

STATES = [
    "sqlite",
    "redis_url",
    pytest.param("valkey_url", marks=pytest.mark.long),
    "redis_cluster_url",
    pytest.param("redis_tls_url", marks=pytest.mark.long),
    "postgres_url",
]
_numbers = itertools.count()
Open = Callable[["MicrosecondClock | None"], StreamState]


@pytest.fixture(params=STATES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of each kind."""
    return url_of(request, tmp_path)


def url_of(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of the store that the parameter of a fixture names."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'online.db'}"
    return request.getfixturevalue(request.param)


@pytest.fixture
def opened(url: str) -> Iterator[Open]:
    """What opens the state of streams in a store, with a clock of its own, and closes it at the end."""
    with ExitStack() as stack:

        def open_state(clock: MicrosecondClock | None = None) -> StreamState:
            state = open_stream_state(url, clock=clock)
            stack.callback(state.close)
            return state

        yield open_state


@pytest.fixture
def losses(request: pytest.FixtureRequest, url: str) -> Iterator[Callable[[StreamSource], Losses]]:
    """What makes the store of this test lose what it was told of a source."""
    with ExitStack() as stack:

        def made(source: StreamSource) -> Losses:
            if url.startswith("sqlite"):
                return SqliteLosses(Path(url.removeprefix("sqlite:///")))
            if url.startswith("postgresql"):
                return PostgresLosses(url)
            urls = [url]
            if url.startswith("redis+cluster"):
                urls = [node.url for node in request.getfixturevalue("redis_cluster").nodes]
            return stack.enter_context(closing(RedisLosses(urls, source)))

        yield made


@pytest.fixture
def source() -> StreamSource:
    """A source of this test alone."""
    return StreamSource(project=f"shop{next(_numbers)}", env="dev", source="swipes")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of this test alone, which it may treat as it likes."""
    with redis_server() as started:
        yield started


@pytest.fixture
def state(server: RedisServer) -> Iterator[StreamState]:
    """The state of streams in that server."""
    with closing(open_stream_state(server.url)) as opened:
        yield opened
