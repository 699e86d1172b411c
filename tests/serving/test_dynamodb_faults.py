"""A server over an online store in DynamoDB: an outage costs what it takes, and nothing has to be started again."""

from __future__ import annotations

import pytest

from tests import web
from tests.servers.dynamodb import ENVIRON, running_dynamodb
from tests.servers.pausing import hanging
from tests.serving.clicks import run
from tests.serving.load import Load
from tests.serving.process import running
from tests.serving.test_faults import BUDGET_S, FEATURES, PREDICT

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
    monkeypatch.setenv("ONLINE", store.url("clicks"))
    run(own_clicks, "apply", "--auto-approve")
    run(own_clicks, "push")
    limits = ["--timeout", str(BUDGET_S), "--store-timeout", "0.5"]
    with running(own_clicks, *limits, "--reload", "0.2") as server:
        yield server


def test_a_dynamodb_that_is_away_and_comes_back_is_read_again(served, store, own_clicks):
    with Load(f"{served.url}/v1/predict/click", PREDICT) as load:
        load.wait_for(200)
        store.kill()
        load.wait_for(503)
        assert web.get(f"{served.url}/health").status_code == 200
        ready = web.get(f"{served.url}/ready", timeout=20)
        assert (ready.status_code, "online store" in ready.json()["problems"][0]) == (503, True)
        store.start()  # it had nothing on a disk
        run(own_clicks, "push", "--full")
        load.wait_for(200, 20)
    assert load.broken == []
    assert web.get(f"{served.url}/ready", timeout=20).status_code == 200


def test_a_dynamodb_that_hangs_is_answered_for_within_the_time(served, store):
    with Load(f"{served.url}/v1/features", FEATURES) as load:
        load.wait_for(200)
        with hanging(store.pid):
            load.wait_for(503)
            problem = web.post(f"{served.url}/v1/features", json=FEATURES, timeout=20).json()
            assert "no answer within 0.5 s" in problem["detail"]
        load.wait_for(200, 20)
    assert load.broken == []
    assert set(load.statuses()) == {200, 503}
