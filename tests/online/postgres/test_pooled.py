"""A store behind PgBouncer in transaction mode, whose one connection is lent to everybody in turn."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from featurectl.online.all_stores import open_online, open_stream_state
from tests.online.async_reading import ask, filled, last, reader_of
from tests.online.postgres.test_async import COUNT
from tests.online.postgres.test_streams import SOURCE, append, begun, elements
from tests.online.rows import view
from tests.online.test_writers_at_once import ENTITIES, written
from tests.servers.pgbouncer import started_pgbouncer

pytestmark = pytest.mark.guests  # PgBouncer comes from Debian


def test_the_store_works_where_connections_are_lent_for_a_transaction_each(postgres_url):
    with started_pgbouncer(postgres_url) as url:
        of = view({"n": "int64"}, {"id": "int64"})
        with ThreadPoolExecutor(3) as pool:
            tasks = [pool.submit(written, lambda: open_online(url), of, seed, "event_time") for seed in range(3)]
            found = [task.result() for task in tasks]
        wanted = {n: max(best.get(n, 0) for best in found) for n in range(ENTITIES)}
        with closing(open_online(url)) as store, closing(open_online(url)) as other:
            rows = store.read(of, [[n] for n in range(ENTITIES)])
            assert [row.values["n"] if row else 0 for row in rows] == [wanted[n] for n in range(ENTITIES)]
            assert store.count(of) == other.count_rows(of) == sum(number > 0 for number in wanted.values())
            other.remove(of)
            assert store.read(of, [[1]]) == [None]


def test_streams_are_kept_where_connections_are_lent(postgres_url):
    with (
        started_pgbouncer(postgres_url) as url,
        closing(open_stream_state(url)) as state,
        closing(state.connect(SOURCE)) as one,
        closing(state.connect(SOURCE)) as other,
    ):
        begun(one)
        for number in range(5):
            append(one, b"\x01%d" % number)
            append(other, b"\x01%d" % number)
            assert len(elements(state)) == 2 * number + 2
        one.check()


def test_readers_of_one_loop_share_what_is_lent(postgres_url):
    with started_pgbouncer(postgres_url) as url:
        of = filled(url, COUNT)

        async def main():
            async with reader_of(url) as one, reader_of(url) as other:
                asked = [reader.fetch([ask(of, n)]) for n in range(COUNT) for reader in (one, other)]
                return [last(row) for (((row,),),) in await asyncio.gather(*asked)]

        assert asyncio.run(main()) == [n for n in range(COUNT) for _ in range(2)]
