"""A server whose store, clients or registry fail: bounded errors, answers in time, recovery without a restart."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
import redis

from tests import web
from tests.servers.redis import free_port, redis_program
from tests.serving.clicks import request_rows, run
from tests.serving.load import Load
from tests.serving.process import running

PREDICT = {"rows": request_rows(2, seed=4)}
FEATURES = {"features": ["spend:*", "profile:*"], "entities": {"user": [1, 2, 3]}}
BUDGET_S = 4.0  # of the server; a busy machine adds to what a client sees


class Redis:
    """A Redis server that can be ended, started again and paused; its rows are kept by `save`."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options):
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder), *options]
        self.process = subprocess.Popen([redis_program(), *words], stdout=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while True:
            try:
                self.client().ping()
            except redis.RedisError:
                assert time.monotonic() < end
                time.sleep(0.02)
            else:
                return self

    def client(self):
        return redis.Redis(port=self.port)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal(self, number):
        os.kill(self.process.pid, number)


@pytest.fixture
def store(tmp_path):
    server = Redis(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def served(own_clicks, store, monkeypatch, request):
    """A server process over the repository, with its rows in Redis."""
    monkeypatch.setenv("ONLINE", store.url)
    run(own_clicks, "apply", "--auto-approve")
    run(own_clicks, "push")
    store.client().save()
    limits = ["--timeout", str(BUDGET_S), "--store-timeout", getattr(request, "param", "0.25")]
    with running(own_clicks, *limits, "--reload", "0.2") as server:
        yield server


def test_a_store_killed_and_started_again_costs_the_outage_and_no_more(served, store):
    with Load(f"{served.url}/v1/predict/click", PREDICT) as load:
        load.wait_for(200)
        store.stop()
        load.wait_for(503)
        assert web.get(f"{served.url}/health").status_code == 200
        ready = web.get(f"{served.url}/ready", timeout=20)
        assert (ready.status_code, "online store" in ready.json()["problems"][0]) == (503, True)
        store.start()
        load.wait_for(200)
        back = time.monotonic()
        load.wait_for(200, 20)
        assert set(load.statuses(back)) == {200}
    assert load.broken == []
    assert set(load.statuses()) == {200, 503}
    assert web.get(f"{served.url}/ready", timeout=20).status_code == 200


def test_a_pausing_store_is_answered_for_within_the_time_and_found_again(served, store):
    with Load(f"{served.url}/v1/features", FEATURES) as load:
        load.wait_for(200)
        store.signal(signal.SIGSTOP)
        load.wait_for(503)
        problem = web.post(f"{served.url}/v1/features", json=FEATURES, timeout=20).json()
        assert "no answer within 0.25 s" in problem["detail"]
        store.signal(signal.SIGCONT)
        load.wait_for(200, 20)
    assert load.broken == []
    assert set(load.statuses()) == {200, 503}


@pytest.mark.long
def test_a_store_that_is_full_is_read_all_the_same(served, store, own_clicks, capsys):
    from featurectl.cli.main import main

    store.client().config_set("maxmemory", "1")
    capsys.readouterr()
    assert main(["push", "-C", str(own_clicks), "--as-of", "2026-01-09T00:00:00Z"]) == 69
    assert "memory" in capsys.readouterr().err
    assert web.post(f"{served.url}/v1/features", json=FEATURES, timeout=20).status_code == 200


@pytest.mark.long
def test_a_file_that_somebody_writes_is_read_all_the_same(own_clicks):
    with running(own_clicks) as server, closing(sqlite3.connect(own_clicks / "on.db", isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        writer.execute("delete from rows")
        for _ in range(3):
            answer = web.post(f"{server.url}/v1/features", json=FEATURES, timeout=20)
            assert answer.json()["features"]["count_7d"]["status"] == ["PRESENT"] * 3
        writer.execute("rollback")


@pytest.mark.long
def test_a_file_moved_away_is_a_failure_and_the_one_in_its_place_is_read(own_clicks):
    path = own_clicks / "on.db"
    with running(own_clicks) as server:

        def asked():
            return web.post(f"{server.url}/v1/features", json=FEATURES, timeout=20)

        assert asked().status_code == 200
        path.rename(own_clicks / "moved.db")
        assert (asked().status_code, "moved or removed" in asked().json()["detail"]) == (503, True)
        assert web.get(f"{server.url}/ready", timeout=20).status_code == 503
        assert not path.exists()
        run(own_clicks, "push")
        assert asked().json()["features"]["count_7d"]["status"] == ["PRESENT"] * 3


@pytest.mark.long
def test_a_thousand_slow_clients_keep_nobody_from_being_answered(own_clicks):
    with running(own_clicks, "--timeout", str(BUDGET_S)) as server:
        port = int(server.url.rpartition(":")[2])
        slow = []
        for number in range(1_000):
            client = socket.create_connection(("127.0.0.1", port))
            head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"
            client.sendall(head if number % 2 else head + b"\r\n{")
            slow.append(client)
        for _ in range(10):
            assert web.post(f"{server.url}/v1/features", json=FEATURES, timeout=20).status_code == 200
        for client in slow:
            client.settimeout(30)
            while client.recv(4096):
                pass  # half of them are told 408, and all are closed
            client.close()
        assert web.post(f"{server.url}/v1/features", json=FEATURES, timeout=20).status_code == 200
        counted = web.get(f"{server.url}/metrics").text
        assert 'featurectl_http_requests_total{method="POST",route="/v1/features",status="408"} 500.0' in counted


@pytest.mark.long
@pytest.mark.parametrize("served", ["4"], indirect=True, ids=["a busy machine is no failure"])
def test_no_request_is_dropped_while_another_version_is_taken_up(served, own_clicks):
    with Load(f"{served.url}/v1/predict/click", PREDICT) as load:
        load.wait_for(200)
        run(own_clicks, "train", "click", "--again")
        end = time.monotonic() + 60
        while web.post(f"{served.url}/v1/predict/click", json={**PREDICT, "version": 2}, timeout=20).status_code != 200:
            assert time.monotonic() < end
        load.wait_for(200)
    assert (load.broken, set(load.statuses())) == ([], {200})


def test_what_is_under_way_when_a_server_is_told_to_stop_is_answered(served):
    with Load(f"{served.url}/v1/predict/click", PREDICT, threads=1) as load:
        load.wait_for(200)
        assert served.stop() == 0
        load.stop()
    answered = [status for _, status, _ in load.answers if status]
    assert set(answered) == {200}
