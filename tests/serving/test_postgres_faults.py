"""A server over an online store in PostgreSQL: an outage costs what it takes, and nothing has to be started again."""

from __future__ import annotations

import pytest

from tests.servers.postgres import own_postgres
from tests.serving.outages import check_hanging, check_killed_and_back, served_from


@pytest.fixture
def store():
    with own_postgres() as own:
        yield own


@pytest.fixture
def served(own_clicks, store, monkeypatch):
    """A server process over the repository, with its rows in PostgreSQL."""
    with served_from(own_clicks, store.server.url, monkeypatch) as server:
        yield server


@pytest.mark.long
def test_a_postgres_killed_and_started_again_costs_the_outage_and_no_more(served, store, own_clicks):
    check_killed_and_back(served, store, own_clicks, keeps=True)


@pytest.mark.long
def test_a_postgres_that_hangs_is_answered_for_within_the_time(served, store):
    check_hanging(served, store.server.pid)
