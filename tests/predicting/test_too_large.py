"""A prediction that is too large for its topic is put aside, and the others go on: on a Kafka, and with any limit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from featurectl.streaming.topics.message_limit import MessageLimit
from tests.servers.kafka import KafkaServer, kafka_server
from tests.streaming.session.predicted import PredictedSwipes, of_rule, predicting, run_once
from tests.streaming.session.swipes import LIMIT_S, wait_for

LARGE = "c" * 1_000  # a key may not be much longer
LIMIT = 1_500


def make_topic(server: KafkaServer, name: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{server.port}"})
    admin.create_topics([NewTopic(name, 2, config=config)])[name].result(LIMIT_S)


def check(swipes: PredictedSwipes, large: set[int], scores: str) -> None:
    """See that some events have no prediction, that this is said of each, and that all are logged."""
    assert {of["offset"] for of in swipes.predictions(url=scores)} == {*range(swipes.sent)} - large
    rejected = swipes.rejected()
    assert {json.loads(value)["swipe"] - 1 for value in rejected["value"]} == large
    said = re.compile(
        r"model fraud: the prediction of event swipes/0@(\d+) has 2,\d{3} bytes, "
        r"too many for topic scores, which takes 1,500"
    )
    assert {int(found[1]) for why in rejected["_rejected"] if (found := said.fullmatch(why))} == large
    assert swipes.logged() == swipes.sent


@pytest.mark.sample(1)
@pytest.mark.parametrize("size", [1, 300])
def test_a_prediction_that_is_too_large_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int):
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    for card in ("new", LARGE, "new"):
        swipes.send(size, card=card)
    of_file = MessageLimit.__init__
    monkeypatch.setattr(
        MessageLimit, "__init__",
        lambda limit, topic, shown, most: of_file(limit, topic, shown, LIMIT if topic == "scores" else most),
    )  # fmt: skip
    found = run_once(swipes)
    check(swipes, {*range(size, 2 * size)}, "")
    [counts] = found.reports[0].predictions
    assert dict(counts.results) == {"answered": 3 * size, "too_large": size}


@pytest.mark.long
def test_kafka_refuses_what_is_too_large_and_has_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with kafka_server() as server:
        make_topic(server, "scores", **{"max.message.bytes": str(LIMIT)})
        monkeypatch.setenv("BROKER", server.url)
        objects = of_rule("by_amount").replace("scores}", 'scores, url: "${BROKER}"}')
        swipes = PredictedSwipes(root=tmp_path, objects=objects)
        with predicting(swipes) as found:
            for _ in range(2):
                swipes.send(40, card="new")
                swipes.send(2, card=LARGE)
                swipes.send(40, card="new")
                wait_for(lambda: swipes.predicted(url=server.url) == swipes.sent * 80 / 82)
        check(swipes, {40, 41, 122, 123}, server.url)
        [counts] = found.reports[0].predictions
        assert (counts.results["too_large"], counts.problem) == (4, "")
