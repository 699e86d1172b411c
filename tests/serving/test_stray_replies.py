"""A server whose Redis is behind a proxy that adds replies: 200 with the right values, or 503."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.meddling import HARMLESS, STRAY, meddling_proxy
from tests.servers.redis import redis_server
from tests.serving.test_streams import Shop, wait_for

CARDS = 40


@pytest.mark.parametrize("fault", [*STRAY, *HARMLESS])
def test_a_server_answers_with_values_of_no_other_entity(tmp_path: Path, fault: str):
    with redis_server() as redis, meddling_proxy(redis.port) as proxy:
        shop, random, statuses = Shop(tmp_path, proxy.url), Random(5), Counter[int]()
        topics = f"sqlite:///{tmp_path / 'streams.db'}"
        with closing(open_topics(topics)) as broker, closing(broker.open_writer("swipes")) as writer:
            at = datetime.now(UTC).isoformat()
            events = [(f"c{n}", {"card": f"c{n}", "amount": n, "at": at}) for n in range(CARDS)]
            writer.send([(card.encode(), json.dumps(event).encode()) for card, event in events])
            writer.flush()
        shop.work()
        with shop.served() as client:

            def is_right() -> bool:
                chosen = random.sample(range(CARDS), random.choice([1, 3, 20]))
                body = {"features": ["spend:amount_sum_1h"], "entities": {"card": [f"c{n}" for n in chosen]}}
                answer = client.post("/v1/features", json=body)
                statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    assert answer.json()["features"]["amount_sum_1h"]["values"] == chosen
                return bool(answer.status_code == 200)

            proxy.fault = fault
            for _ in range(120):
                is_right()
            assert proxy.done
            assert {*statuses} <= ({200} if fault in HARMLESS else {200, 503})
            proxy.fault = ""
            wait_for(is_right)
            assert all(is_right() for _ in range(5))
            assert statuses[200] > 20
