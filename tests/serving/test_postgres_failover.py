"""A server over a PostgreSQL that fails over to a replica: an address of two hosts finds the one that is written."""

from __future__ import annotations

import time

import pytest

from tests import web
from tests.servers.pausing import hanging
from tests.servers.postgres import own_postgres, two_hosts
from tests.serving.clicks import run
from tests.serving.load import Load
from tests.serving.outages import served_from
from tests.serving.test_faults import FEATURES

pytestmark = pytest.mark.long


@pytest.fixture
def pair():
    """A primary and its replica."""
    with own_postgres() as primary, primary.replica() as replica:
        yield primary, replica


@pytest.fixture
def served(own_clicks, pair, monkeypatch):
    """A server process over the repository, with its rows in the primary and its replica."""
    primary, replica = pair
    with served_from(own_clicks, two_hosts(primary, replica), monkeypatch) as server:
        replica.catch_up(primary)
        yield server


def test_a_killed_primary_costs_the_time_until_its_replica_is_promoted(served, pair, own_clicks):
    primary, replica = pair
    with Load(f"{served.url}/v1/features", FEATURES) as load:
        load.wait_for(200)
        primary.kill()
        load.wait_for(503)
        replica.promote()
        load.wait_for(200, 20)
        back = time.monotonic()
        run(own_clicks, "push", "--full")
        load.wait_for(200, 20)
        assert load.statuses(back).keys() == {200}
    assert load.broken == []
    assert set(load.statuses()) == {200, 503}
    assert web.get(f"{served.url}/ready", timeout=20).status_code == 200


def test_a_primary_that_hangs_is_left_for_the_one_that_answers(served, pair, own_clicks):
    primary, replica = pair
    with Load(f"{served.url}/v1/features", FEATURES) as load:
        load.wait_for(200)
        with hanging(primary.server.pid):
            load.wait_for(503)
            replica.promote()
            load.wait_for(200, 20)
            run(own_clicks, "push", "--full")
            back = time.monotonic()
            load.wait_for(200, 20)
            assert load.statuses(back).keys() == {200}
            primary.kill()
    assert load.broken == []
    assert set(load.statuses()) == {200, 503}
