"""The state of streams in every kind of online store, as `opened`; each test has sources of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from featurectl.online.all_stores import open_stream_state
from featurectl.online.redis.list_trips import ListTrips
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.compiled.reader import Loops
from featurectl.online.stream_state.protocols import MicrosecondClock, StreamState
from tests.online.stream_state.compiled_loops import shared_loops
from tests.online.stream_state.losses import PostgresLosses, RedisLosses, SqliteLosses
from tests.online.stream_state.real_store import Losses
from tests.online.stream_state.tracked_source import Written
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


@pytest.fixture
def written(state: StreamState, source: StreamSource) -> Iterator[Written]:
    """A source in that server, whose lists are written."""
    with closing(state.connect(source)) as connection:
        yield Written(connection)


@pytest.fixture(scope="session")
def loops() -> Loops:
    """The compiled loops over lists, compiled by one process of all that ask for them."""
    return shared_loops()


@pytest.fixture(params=[False, True], ids=["by_the_client", "by_loops"])
def received(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether compiled loops find lists that are not kept; those that are to be kept are so before the next read."""
    if request.param:
        exchange = ListTrips.exchange

        async def settled(trips: ListTrips, questions: list[RedisCommand]) -> Sequence[object]:
            found = await exchange(trips, questions)
            if trips.keeping is not None:
                await trips.keeping
            return found

        monkeypatch.setattr(ListTrips, "exchange", settled)
        monkeypatch.setattr(LOADED, "loops", shared_loops())
    return bool(request.param)
