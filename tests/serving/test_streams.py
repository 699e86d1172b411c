"""A server reads views of streams: what a worker has taken, never zeros in its place, and in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import featurectl
from featurectl.cli.main import main
from featurectl.core.errors import DataError
from featurectl.core.units import instant_us
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.redis import RedisServer, redis_server

LIMIT_S = 120
PROJECT = """
project: shop
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "{online}", streams: "sqlite:///streams.db"}}
"""
OBJECTS = """
entities: [{{name: card, keys: {{card: string}}}}]
sources:
  - name: swipes
    stream: {{topic: swipes}}
    columns: {{card: string, amount: float64, at: timestamp}}
    event_time: at
feature_views:
  - name: spend
    entity: card
    source: swipes
    closed: {closed}
    freshness: {{error_after: 2s}}
    aggregates: [{{op: count, windows: [1h]}}, {{column: amount, op: sum, windows: [1h]}}]
"""


class Shop:
    """A repository with a view of a stream."""

    def __init__(self, root: Path, online: str = "sqlite:///on.db") -> None:
        self.root = root
        (root / "featurectl.yaml").write_text(PROJECT.format(online=online))
        with closing(open_topics(f"sqlite:///{root / 'streams.db'}")) as broker:
            broker.create("swipes", 2)
        self.apply("left")

    def apply(self, closed: str) -> None:
        (self.root / "objects.yaml").write_text(OBJECTS.format(closed=closed))
        assert main(["apply", "-C", str(self.root), "-q", "--auto-approve"]) == 0

    def swipe(self, amount: float) -> None:
        """Send an event, and let a worker take it."""
        event = {"card": "c1", "amount": amount, "at": datetime.now(UTC).isoformat()}
        with closing(open_topics(f"sqlite:///{self.root / 'streams.db'}")) as broker:
            writer = broker.open_writer("swipes")
            with closing(writer):
                writer.send([(b"c1", json.dumps(event).encode())])
                writer.flush()
        self.work()

    def work(self) -> None:
        assert main(["stream", "run", "-C", str(self.root), "-q", "--once"]) == 0

    def served(self, **settings: float) -> TestClient:
        of = {"timeout_s": 30.0, "store_timeout_s": 15.0, "reload_s": 0.05, **settings}
        return TestClient(open_app(ServeSettings(root=str(self.root), **of)))  # type: ignore[arg-type]


def ask(client: TestClient, card: str | None = "c1", returned: Sequence[str] = (), **more: str) -> Any:
    body = {"features": ["spend:*"], "entities": {"card": [card]}, "return": [*returned], **more}
    return client.post("/v1/features", json=body)


def values(answer: Any) -> list[object]:
    assert answer.status_code == 200, answer.text
    return [of["values"][0] for of in answer.json()["features"].values()]


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_without_a_worker_nothing_is_answered(shop: Shop):
    with shop.served() as client:
        answer = ask(client)
        assert (answer.status_code, answer.json()["code"]) == (503, "FC550")
        assert answer.json()["hint"] == "featurectl stream run swipes"
        absent = "is not online: no worker has brought it there yet"
        assert client.get("/fresh").json()["problems"] == [f"view spend@1 {absent}"]
        assert client.get("/v1/views").json()["waiting"] == [f"spend@1 is applied but {absent}"]
        shop.swipe(2.5)
        assert values(ask(client)) == [1, 2.5]
    (shop.root / "on.db").unlink()  # an emptied store says no zeros, either
    with featurectl.open_client(shop.root) as reader, pytest.raises(DataError, match="is not online"):
        reader.get(["spend:*"], {"card": ["c1"]})


def test_a_client_says_which_worker_has_to_run(shop: Shop):
    with featurectl.open_client(shop.root) as client, pytest.raises(DataError, match="no worker of the stream swipes"):
        client.get(["spend:count_1h"], {"card": ["c1"]})


@pytest.mark.long
def test_what_a_worker_has_taken_is_answered_at_once_with_its_asof(shop: Shop):
    shop.swipe(2.0)
    with shop.served() as client:
        first = ask(client, returned=["computed_at", "age", "version"]).json()["features"]["count_1h"]
        shop.swipe(3.0)
        second = ask(client, returned=["computed_at"]).json()["features"]["amount_sum_1h"]
    assert (first["values"], first["version"], second["values"]) == ([1], 1, [5.0])
    assert first["computed_at"] < second["computed_at"]
    assert first["age_seconds"][0] >= 0


@pytest.mark.long
def test_values_are_stale_when_no_worker_has_run_for_long(shop: Shop):
    shop.swipe(2.0)
    time.sleep(2.1)
    with shop.served() as client:
        assert ask(client).json()["features"]["count_1h"]["stale"] is True
        fresh = client.get("/fresh")
        assert (fresh.status_code, fresh.json()["problems"]) == (503, ["view spend@1 is older than its error_after"])

        def is_fresh_again() -> bool:
            """Whether it is answered so within two seconds of a worker's end, as it is not on a busy machine."""
            shop.work()
            is_fresh = "stale" not in ask(client).json()["features"]["count_1h"]
            return is_fresh and client.get("/fresh").status_code == 200

        wait_for(is_fresh_again)


@pytest.mark.long
def test_a_new_version_is_served_when_a_worker_has_brought_it_online(shop: Shop):
    shop.swipe(2.0)
    with shop.served() as client:
        assert ask(client).json()["view_versions"] == {"spend": 1}
        shop.apply("right")
        time.sleep(0.3)
        assert ask(client).json()["view_versions"] == {"spend": 1}
        shop.work()
        wait_for(lambda: ask(client).json()["view_versions"] == {"spend": 2})
        assert [*ask(client).json()["features"]] == ["count_1h", "amount_sum_1h"]


def test_an_instant_before_the_last_events_is_answered_or_unknown(shop: Shop):
    shop.swipe(2.0)
    with shop.served() as client:
        long_ago = ask(client, time="2026-01-01T00:00:00Z").json()
        assert long_ago["features"]["count_1h"] == {"values": [None], "status": ["NOT_FOUND"]}
        assert "has nothing as early as" in long_ago["warnings"][0]
        assert values(ask(client, time=datetime.now(UTC).isoformat())) == [1, 2.0]
        assert values(ask(client, None)) == [None, None]


@pytest.fixture(scope="module")
def store() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.mark.long
def test_a_store_that_hangs_is_told_of_in_time(tmp_path: Path, store: RedisServer):
    shop = Shop(tmp_path, store.url)
    shop.swipe(2.0)
    with shop.served(timeout_s=4.0, store_timeout_s=1.5, reload_s=30.0) as client:
        assert values(ask(client)) == [1, 2.0]
        store.pause()
        try:
            begin = time.monotonic()
            answer = ask(client)
            assert (answer.status_code, time.monotonic() - begin < LIMIT_S) == (503, True)
        finally:
            store.resume()
        wait_for(lambda: ask(client).status_code == 200)
        assert values(ask(client)) == [1, 2.0]
        before = instant_us(datetime.now(UTC))
        shop.swipe(1.0)
        found = ask(client, returned=["computed_at"]).json()["features"]["amount_sum_1h"]
        assert (found["values"], instant_us(datetime.fromisoformat(found["computed_at"][0])) > before) == ([3.0], True)
