"""The template of swipes with its topics on Kafka: predictions go there, and come back as the score of a card."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.kafka import kafka_server

IN_A_FILE = "sqlite:///.featurectl/streams.db"


def run(root: Path, *words: str) -> None:
    assert main([*words, "-C", str(root), "-q"]) == 0, words


def made(root: Path, what: str) -> bytes:
    return subprocess.run([sys.executable, "swipes.py", what], cwd=root, capture_output=True, check=True).stdout


@pytest.mark.long
def test_the_score_of_a_card_goes_through_kafka(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = tmp_path / "shop"
    run(root.parent, "init", str(root), "--template", "swipes")
    with kafka_server() as server:
        file = root / "featurectl.yaml"
        assert IN_A_FILE in file.read_text()
        file.write_text(file.read_text().replace(IN_A_FILE, f'"{server.url}?assignment=range"'))
        with closing(open_topics(server.url)) as broker:
            for topic in ("swipes", "fraud_scores"):
                broker.create(topic, 2)
        made(root, "history")
        for words in (("apply", "--auto-approve"), ("materialize",), ("train", "fraud")):
            run(root, *words)
        (root / "live.ndjson").write_bytes(made(root, "live"))
        run(root, "stream", "send", "swipes", str(root / "live.ndjson"))
        run(root, "stream", "run", "swipes", "--once")
        run(root, "stream", "run", "--once")  # what the first one predicted
        cards = {json.loads(line)["card"] for line in (root / "live.ndjson").read_text().splitlines()}
        for card in sorted(cards)[:3]:
            capsys.readouterr()
            assert main(["get", "card_score", f"card={card}", "-C", str(root), "-o", "json"]) == 0
            features = json.loads(capsys.readouterr().out)["result"]["features"]
            assert 0 <= features["p_fraud"]["value"] <= 1, features
            assert features["version"]["value"] == 1
