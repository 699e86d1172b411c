"""The state of streams in PostgreSQL: what a worker holds is not opened again, nor goes on with another run."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    Generation,
    KnownStamps,
    ListAppend,
    ListsAsk,
    StreamSource,
)
from tests.online.stream_state.losses import PostgresLosses
from tests.servers.postgres import END_OTHERS, own_postgres

SOURCE = StreamSource(project="shop", env="dev", source="swipes")
GENERATION = Generation(view="spend@1", id="a1")


def begun(connection) -> None:
    connection.register.add_partition("p")
    connection.generations.add(GENERATION)
    assert connection.generations.switch(GENERATION)


def append(connection, *elements: bytes) -> dict[bytes, int]:
    [lengths] = connection.lists.append(
        [ListAppend(generation=GENERATION, entities=[b"k"] * len(elements), elements=elements)]
    )
    return dict(lengths)


def elements(state) -> list[bytes]:
    [answer] = state.read(SOURCE, [ListsAsk(view="spend@1", entities=[b"k"])])
    return [*answer.lists[0].elements]


def test_elements_keep_their_order_whoever_appends_them(postgres_url):
    with closing(open_stream_state(postgres_url)) as state:
        with closing(state.connect(SOURCE)) as one, closing(state.connect(SOURCE)) as other:
            begun(one)
            assert append(one, b"\x01a", b"\x01b") == {b"k": 2}
            assert append(other, b"\x01c") == {b"k": 3}
        assert elements(state) == [b"\x01a", b"\x01b", b"\x01c"]


def test_a_connection_that_broke_is_lost_to_its_worker_and_nobody_else(postgres_url):
    with closing(open_stream_state(postgres_url)) as state, closing(state.connect(SOURCE)) as connection:
        begun(connection)
        append(connection, b"\x01a")
        assert elements(state) == [b"\x01a"]
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(END_OTHERS)
        for use in (connection.check, lambda: append(connection, b"\x01b"), connection.register.read_state):
            with pytest.raises(ConnectionLostError):
                use()
        assert elements(state) == [b"\x01a"]  # who reads connects again
        with closing(state.connect(SOURCE)) as again:
            assert append(again, b"\x01b") == {b"k": 2}


def test_a_dump_that_was_put_back_is_another_run(postgres_url):
    losses = PostgresLosses(postgres_url)
    with closing(open_stream_state(postgres_url, clock=lambda: 5_000)) as state:
        with closing(state.connect(SOURCE)) as connection:
            begun(connection)
            losses.keep(0)
            connection.register.claim(0, 0, 3, KnownStamps())
            append(connection, b"\x01a")
            assert connection.register.finish(0, 0, 3, [GENERATION])
            first = connection.register.read_state()
            losses.restore(0)
            with pytest.raises(ConnectionLostError):
                connection.check()
        with closing(state.connect(SOURCE)) as connection:
            then = connection.register.read_state()
            assert (then.run != first.run, then.left) == (True, then.asof)


@pytest.mark.long
def test_a_server_that_was_begun_anew_is_another_run():
    with own_postgres() as own, closing(open_stream_state(own.server.url, clock=lambda: 5_000)) as state:
        with closing(state.connect(SOURCE)) as connection:
            begun(connection)
            connection.register.claim(0, 0, 3, KnownStamps())
            append(connection, b"\x01a")
            assert connection.register.finish(0, 0, 3, [GENERATION])
            first = connection.register.read_state()
            own.kill()
            own.start()
            with pytest.raises(ConnectionLostError):
                connection.check()
        with closing(state.connect(SOURCE)) as connection:
            then = connection.register.read_state()
        assert (then.asof, then.left, then.partitions) == (first.asof, first.asof, first.partitions)
        assert then.run != first.run
        assert elements(state) == [b"\x01a"]


def test_a_source_that_was_forgotten_is_lost_to_who_goes_on_with_it(postgres_url):
    with closing(open_stream_state(postgres_url)) as state, closing(state.connect(SOURCE)) as connection:
        begun(connection)
        connection.generations.drop(GENERATION)
        state.forget(SOURCE)
        with pytest.raises(ConnectionLostError, match="was removed"):
            append(connection, b"\x01a")
