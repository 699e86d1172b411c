"""A server over an online store in DynamoDB: an outage costs what it takes, and nothing has to be started again."""

from __future__ import annotations

import pytest

from tests.servers.dynamodb import ENVIRON, running_dynamodb
from tests.serving.outages import check_hanging, check_killed_and_back, served_from

pytestmark = pytest.mark.long


@pytest.fixture
def store(monkeypatch):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    with running_dynamodb() as server:
        yield server


@pytest.fixture
def served(own_clicks, store, monkeypatch):
    """A server process over the repository, with its rows in DynamoDB."""
    with served_from(own_clicks, store.url("clicks"), monkeypatch) as server:
        yield server


def test_a_dynamodb_that_is_away_and_comes_back_is_read_again(served, store, own_clicks):
    check_killed_and_back(served, store, own_clicks, keeps=False)


def test_a_dynamodb_that_hangs_is_answered_for_within_the_time(served, store):
    check_hanging(served, store.pid)
