"""Brokers and stores that are away, hang, or come back; processes that die: what was answered 202 is in the topic."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from featurectl.online.request_keys import request_key
from featurectl.online.sqlite.request_keys import SqliteRequestKeys
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests import web
from tests.servers.kafka import kafka_server
from tests.servers.redis import redis_server
from tests.serving.events.shop import LIMIT_S, PARTITIONS, EventShop, swipe, wait_for
from tests.serving.process import running

KEY = {"Idempotency-Key": "k"}


@contextmanager
def silent_port() -> Iterator[int]:
    """Give a port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(256)
        yield listening.getsockname()[1]


def ready(client: httpx2.Client) -> None:
    wait_for(lambda: client.get("/ready").json()["serial"] is not None)


@pytest.mark.parametrize("scheme", ["redis", "kafka"])
@pytest.mark.long
def test_a_broker_that_hangs_holds_up_neither_the_server_nor_others(tmp_path: Path, scheme: str):
    with silent_port() as port:
        shop = EventShop(tmp_path)
        project = (tmp_path / "featurectl.yaml").read_text()
        (tmp_path / "featurectl.yaml").write_text(
            project.replace("sqlite:///streams.db", f"{scheme}://127.0.0.1:{port}")
        )
        with shop.served(event_timeout_s=1.0, max_event_requests=60, max_events=5) as client:
            ready(client)
            with ThreadPoolExecutor(100) as pool:
                waiting = [pool.submit(client.post, "/v1/events/swipes", json=swipe(n)) for n in range(100)]
                while not all(future.done() for future in waiting):
                    assert client.get("/health").status_code == 200
                answers = [future.result() for future in waiting]
            assert {answer.status_code for answer in answers} == {503}
            assert {answer.headers["retry-after"] for answer in answers} == {"1"}
            senders = [thread.name for thread in threading.enumerate() if thread.name == "events-swipes"]
            assert len(senders) <= 2  # one for the source, and that of the test before at its end
            assert client.get("/v1/events/swipes").status_code == 405


@pytest.mark.long
def test_a_broker_that_was_away_takes_what_is_sent_again(tmp_path: Path):
    with redis_server() as server:
        shop = EventShop(tmp_path, streams=f"{server.url}?socket_timeout=1")
        with shop.served(event_timeout_s=5.0) as client:
            ready(client)
            assert client.post("/v1/events/swipes", json=swipe(1)).status_code == 202
            server.kill()
            for headers in ({}, KEY):
                refused = client.post("/v1/events/swipes", json=swipe(2, at="2026-01-01T00:00:00Z"), headers=headers)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            server.start()
            shop_topic_again(shop)

            def again() -> int:
                body = swipe(2, at="2026-01-01T00:00:00Z")
                return int(client.post("/v1/events/swipes", json=body, headers=KEY).status_code)

            wait_for(lambda: again() == 202)
            assert again() == 202
            assert shop.sent().count(2) == 1


@pytest.mark.long
def test_requests_are_refused_while_a_kafka_is_killed_and_taken_again(tmp_path: Path):
    with kafka_server() as server:
        shop = EventShop(tmp_path, streams=server.url)
        with shop.served(event_timeout_s=2.0) as client, ThreadPoolExecutor(8) as pool:
            ready(client)
            assert client.post("/v1/events/swipes", json=swipe(0)).status_code == 202
            answers = [pool.submit(client.post, "/v1/events/swipes", json=swipe(n)) for n in range(1, 40)]
            server.kill()
            answers += [pool.submit(client.post, "/v1/events/swipes", json=swipe(n)) for n in range(40, 60)]
            found = [future.result() for future in answers]
            assert {answer.status_code for answer in found} <= {202, 503}
            assert {a.headers["retry-after"] for a in found if a.status_code == 503} == {"1"}
            server.start()
            shop_topic_again(shop)
            last = swipe(100, at="2026-01-01T00:00:00Z")
            wait_for(lambda: client.post("/v1/events/swipes", json=last, headers=KEY).status_code == 202)
            assert client.post("/v1/events/swipes", json=last, headers=KEY).status_code == 202
            assert shop.sent().count(100) == 1


def shop_topic_again(shop: EventShop) -> None:
    """Make the topic again if the server came back without it."""
    with closing(open_topics(shop.url)) as broker:
        broker.create(shop.topic, PARTITIONS)


@pytest.mark.long
def test_nothing_is_sent_while_the_store_of_keys_is_away(tmp_path: Path):
    with redis_server() as server:
        shop = EventShop(tmp_path, online=f"{server.url}?socket_timeout=1")
        with shop.served(event_timeout_s=5.0) as client:
            ready(client)
            server.kill()
            refused = client.post("/v1/events/swipes", json=swipe(1), headers=KEY)
            assert (refused.status_code, "the online store" in refused.json()["detail"]) == (503, True)
            assert shop.sent() == []
            assert client.post("/v1/events/swipes", json=swipe(2)).status_code == 202  # which needs no store
            assert shop.sent() == [2]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_processes_of_a_server_carry_a_key_out_once(tmp_path: Path, kind: str, request: pytest.FixtureRequest):
    url = request.getfixturevalue("redis_url") if kind == "redis" else None
    shop = EventShop(tmp_path) if url is None else EventShop(tmp_path, url, url)
    options = ("--events", "--workers", "2", "--timeout", "30", "--event-timeout", "30", "--store-timeout", "10")
    with running(shop.root, *options) as server, ThreadPoolExecutor(8) as pool:
        bodies = [swipe(number) for number in range(20)]

        def post(number: int) -> int:
            own = {"Idempotency-Key": f"k{number % 20}"}
            answer = web.post(f"{server.url}/v1/events/swipes", json=bodies[number % 20], headers=own, timeout=LIMIT_S)
            return int(answer.status_code)

        found = list(pool.map(post, range(160)))
    assert set(found) <= {202, 409}
    assert found.count(202) >= 20
    assert shop.sent() == list(range(20))


@pytest.mark.long
def test_what_a_killed_server_had_answered_is_in_the_topic(tmp_path: Path):
    shop, taken, number = EventShop(tmp_path), list[int](), 0
    for turn in range(3):
        with running(shop.root, "--events", "--timeout", "30", "--event-timeout", "30") as server:
            killer = threading.Timer(0.4 + 0.2 * turn, os.kill, (server.process.pid, signal.SIGKILL))
            killer.start()
            with web.client(LIMIT_S) as client:
                while True:
                    number += 1
                    try:
                        answer = client.post(f"{server.url}/v1/events/swipes", json=swipe(number))
                    except httpx2.HTTPError:
                        break
                    assert answer.status_code == 202
                    taken.append(number)
            killer.join()
            server.process.wait(LIMIT_S)
    assert taken
    assert set(taken) <= set(shop.sent())


@pytest.mark.long
def test_a_key_of_a_killed_server_is_busy_for_a_while(tmp_path: Path):
    """The claim that it has left says so, until it is a minute old: nobody knows whether the events were sent."""
    shop = EventShop(tmp_path)
    source = StreamSource(project=shop.name, env="dev", source="swipes")
    with closing(SqliteRequestKeys(tmp_path / "on.db", "on.db", 5.0)) as keys:
        keys.claim(source, [request_key("k", b'{"swipe":1}')])
    with shop.served() as client:
        ready(client)
        body = '{"swipe":1, "card": "c1", "at": "2026-01-01T00:00:00Z"}'
        other = client.post("/v1/events/swipes", content=body, headers=KEY)
        assert other.status_code == 422
    with closing(SqliteRequestKeys(tmp_path / "on.db", "on.db", 5.0)) as keys:
        keys.claim(source, [request_key("j", body.encode())])
    with shop.served() as client:
        ready(client)
        busy = client.post("/v1/events/swipes", content=body, headers={"Idempotency-Key": "j"})
        assert (busy.status_code, busy.headers["retry-after"]) == (409, "1")
        assert shop.sent() == []
