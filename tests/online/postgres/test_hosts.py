"""Of several hosts at once one is taken, and nothing is left of the others."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from featurectl.online.postgres.hosts import connect_to_one
from tests.servers.redis import free_port

COUNT = "select count(*) from pg_sleep(0.01), pg_stat_activity where application_name = 'tried'"
QUERY = "target_session_attrs=read-write&application_name=tried"


def address(url: str, *ports: int) -> str:
    """Return the address of a database with several ports."""
    places = ",".join(f"127.0.0.1:{port}" for port in ports)
    login, database = url.removeprefix("postgresql://").partition("@")[0], url.rsplit("/", 1)[1]
    return f"postgresql://{login}@{places}/{database}?{QUERY}"


def own_port(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.info.port


def test_one_connection_is_left_where_several_hosts_take_one(postgres_url):
    port = own_port(postgres_url)

    async def used() -> None:
        session = await connect_to_one(address(postgres_url, port, port, free_port()), {"autocommit": True})
        while await (await session.execute(COUNT)).fetchone() != (1,):  # the others are about to go
            pass
        await session.close()

    asyncio.run(used())


def test_no_host_that_takes_a_connection_is_the_error_of_the_first(postgres_url):
    first, second = free_port(), free_port()
    with pytest.raises(psycopg.OperationalError, match=f"port {first}"):
        asyncio.run(connect_to_one(address(postgres_url, first, second), {}))


def test_who_gives_up_leaves_no_connection(postgres_url):
    port = own_port(postgres_url)

    async def given_up() -> None:
        task = asyncio.ensure_future(connect_to_one(address(postgres_url, port, port), {}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(given_up())
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        while connection.execute(COUNT).fetchone() != (0,):
            pass
