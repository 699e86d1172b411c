"""Events over HTTP on every kind of broker: taken whole or not at all, once a key, and waited for."""

from __future__ import annotations

import json

import pytest

from featurectl.streaming.topics.partitioner import partition_of
from tests.serving.events.shop import LIMIT_S, PARTITIONS, EventShop, swipe, wait_for
from tests.serving.events.working import working


def test_events_lie_in_the_topic_when_they_are_taken(shop: EventShop):
    with shop.served() as client:
        wait_for(lambda: client.get("/ready").json()["serial"] is not None)
        one = client.post("/v1/events/swipes", json=swipe(1))
        assert (one.status_code, one.json()["events"], one.json()["source"]) == (202, 1, "swipes"), one.text
        bodies = [json.dumps(swipe(number)) for number in range(2, 7)]
        many = client.post("/v1/events/swipes", content=f" [{' , '.join(bodies)}]")
        assert (many.status_code, many.json()["events"]) == (202, 5)
        found = shop.messages()
        assert set(bodies) < {value.decode() for part in found.values() for _, value in part}  # in these bytes
        for number, part in found.items():
            assert all(key is not None and partition_of(key, PARTITIONS) == number for key, _ in part)
        refused = client.post("/v1/events/swipes", json=[swipe(7), swipe(8, amount="much")])
        assert refused.status_code == 422
        assert shop.sent() == [1, 2, 3, 4, 5, 6]
        again = [client.post("/v1/events/swipes", json=[swipe(9, at="2026-11-01T00:00:00Z")] * 2,
                             headers={"Idempotency-Key": "k"}) for _ in range(3)]  # fmt: skip
        assert [(answer.status_code, answer.json()["events"], answer.json()["repeated"]) for answer in again] == [
            (202, 2, False), (202, 2, True), (202, 2, True),
        ]  # fmt: skip
        other = client.post("/v1/events/swipes", json=swipe(10), headers={"Idempotency-Key": "k"})
        assert (other.status_code, "used for other events" in other.json()["detail"]) == (422, True)
        assert shop.sent() == [1, 2, 3, 4, 5, 6, 9, 9]


@pytest.mark.long
def test_who_waits_hears_when_a_worker_has_applied_the_events(shop: EventShop):
    shop.work()
    with shop.served(event_timeout_s=0.5) as client:
        wait_for(lambda: client.get("/ready").status_code == 200)
        answers = []

        def is_taken() -> bool:
            """Whether the broker takes the event in time, of which there is little."""
            answers.append(client.post("/v1/events/swipes?sync=1", json=swipe(1, card="c1")))
            return answers[-1].status_code == 202

        wait_for(is_taken)
        assert answers[-1].json()["applied"] is False
    with shop.served(event_timeout_s=float(LIMIT_S), timeout_s=float(LIMIT_S)) as client, working(shop):
        wait_for(lambda: client.get("/ready").status_code == 200)
        for number in range(2, 12):
            answer = client.post("/v1/events/swipes?sync=1", json=swipe(number, card="c1"))
            assert (answer.status_code, answer.json()["applied"]) == (200, True)
            asked = {"features": ["spend:count_1h"], "entities": {"card": ["c1"]}}
            read = client.post("/v1/features", json=asked).json()
            assert read["features"]["count_1h"]["values"] == [number]
