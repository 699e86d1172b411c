"""Workers in processes of their own on a Kafka and a Redis: a topic that is not there, an apply, a store that goes."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.kafka import kafka_server
from tests.servers.redis import redis_server
from tests.streaming.session.swipes import LIMIT_S, OBJECTS, Swipes, wait_for
from tests.streaming.session.test_processes import said, started

WIDER = OBJECTS.replace("windows: [1h]", "windows: [1h, 3h]")


@pytest.mark.long
def test_workers_share_a_topic_of_kafka_and_outlive_their_redis(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with kafka_server() as broker, redis_server() as store:
        swipes = Swipes(root=tmp_path, streams=broker.url, online=f"{store.url}?socket_timeout=1")
        assert main(["-C", str(tmp_path), "stream", "run", "--once"]) == 69
        assert f"error[FC607]: there is no topic swipes at {broker.url}" in capsys.readouterr().err
        with closing(open_topics(broker.url)) as topics:
            topics.create("swipes", 4)
        swipes.send(5)
        with started(swipes, "--workers", "2") as process:
            wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == 6)
            swipes.apply(WIDER)
            wait_for(lambda: (swipes.values() or {}).get("amount_count_3h") == 6)
            store.kill()
            swipes.send(5)
            wait_for(lambda: "swipes: waits: the online store redis://" in said(swipes))
            store.start()
            wait_for(lambda: (swipes.values() or {}).get("amount_count_3h") == 11)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(LIMIT_S) == 130, said(swipes)
        assert swipes.logged() == 10
        assert swipes.values() == {
            "amount_sum_1h": 110.0, "amount_count_1h": 11, "amount_sum_3h": 110.0, "amount_count_3h": 11,
        }  # fmt: skip


@pytest.mark.long
def test_a_redis_that_lets_keys_go_is_refused_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with redis_server() as store:
        swipes = Swipes(root=tmp_path, online=store.url)
        swipes.send(1)
        with store.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        assert main(["-C", str(tmp_path), "stream", "run", "--once"]) == 69
        said_last = capsys.readouterr().err
        assert "maxmemory-policy is allkeys-lru" in said_last
        assert "set maxmemory-policy to noeviction" in said_last
