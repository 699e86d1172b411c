"""A push into a PostgreSQL that fails over to a replica: it is ended or goes on, and each chunk is whole."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack, closing

import pytest

from featurectl.core.errors import NoAnswerError
from featurectl.online.all_stores import open_online
from featurectl.online.postgres.store import PostgresStore
from tests.online.postgres.test_outages import ENTITIES, numbers, of_ids, push, push_for_ever
from tests.servers.pausing import hanging
from tests.servers.postgres import own_postgres, two_hosts


def campaign(stack: ExitStack, failovers: int, seed: int) -> int:
    """Kill the primary while pushes go on, promote its replica and give it another; return how many pushes it ended."""
    of, chance, ended = of_ids(), random.Random(seed), 0
    primary = stack.enter_context(own_postgres())
    with closing(open_online(primary.server.url)) as store:
        push(store, of, 0)
    for number in range(1, failovers + 1):
        replica = stack.enter_context(primary.replica())
        with closing(open_online(two_hosts(primary, replica))) as store:
            store.count(of)
            replica.catch_up(primary)
            killer = threading.Timer(chance.uniform(0, 0.15), primary.kill)
            killer.start()
            with pytest.raises(NoAnswerError) as caught:
                push_for_ever(store, of, number)
            ended += caught.value.code == "FC602"
            killer.join()
            replica.promote()
            found = numbers(store, of)
            for at in range(0, ENTITIES, 100):  # chunks
                assert set(found[at : at + 100]) in ({number}, {number - 1})
            assert (store.count(of), store.count_rows(of)) == (ENTITIES, ENTITIES)
            push(store, of, number)
            push(store, of, number - 1)
            assert numbers(store, of) == [number] * ENTITIES
        primary = replica
    return ended


@pytest.mark.parametrize(
    "failovers", [pytest.param(2, marks=pytest.mark.long), pytest.param(30, marks=pytest.mark.stress)]
)
def test_a_failover_has_each_chunk_whole_or_not_at_all(failovers, monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 100)
    with ExitStack() as stack:
        assert campaign(stack, failovers, 5) == failovers


@pytest.mark.long
def test_a_push_leaves_a_primary_that_hangs_whoever_else_answers(monkeypatch):
    monkeypatch.setattr("featurectl.core.postgres.CONNECT_S", 2)
    of = of_ids()
    with (
        own_postgres() as primary,
        primary.replica() as replica,
        closing(PostgresStore(two_hosts(primary, replica), answer_s=0.5)) as store,
    ):
        push(store, of, 1)
        replica.catch_up(primary)
        with hanging(primary.server.pid):
            replica.promote()
            with pytest.raises(NoAnswerError, match="no answer within"):
                push(store, of, 2)
            with closing(open_online(two_hosts(primary, replica))) as again:
                push(again, of, 2)
                assert numbers(again, of) == [2] * ENTITIES
            primary.kill()
