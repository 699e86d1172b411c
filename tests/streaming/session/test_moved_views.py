"""A view that is moved from one stream to another is a new version: rows of two streams are never in one table."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from featurectl.cli.main import main
from featurectl.offline.delta import DeltaStore
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.first_use import open_topic
from tests.streaming.session.swipes import OBJECTS, Swipes

pytestmark = pytest.mark.long
OTHER = """
  - name: other_swipes
    stream: {topic: other_swipes}
    history: swipes_files
    columns: {swipe: int64, card: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
feature_views:
"""
BEFORE = OBJECTS.replace("\nfeature_views:\n", OTHER)
AFTER = BEFORE.replace("    source: swipes\n", "    source: other_swipes\n")


def said(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["-C", str(root), *words])
    found = capsys.readouterr()
    return code, found.out + found.err


def values(capsys: pytest.CaptureFixture[str], root: Path, view: str) -> tuple[int, Any]:
    capsys.readouterr()
    assert main(["-C", str(root), "get", view, "card=c1", "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    return result["version"], result["features"]["amount_sum_1h"]["value"]


def amounts(root: Path, version: int) -> list[float]:
    table = DeltaStore(str(root / "off"), "shop").table("spend", version, {"card": "string"})
    return sorted(table.read().filter(card="c1")["amount"].to_list())


def send_other(swipes: Swipes, count: int, amount: float) -> None:
    with swipes.workspace() as workspace:
        url = workspace.topic_url(workspace.repo.sources["other_swipes"])
    with closing(open_topics(url)) as broker:
        open_topic(broker, url, "other_swipes")
        with closing(broker.open_writer("other_swipes")) as writer:
            for number in range(count):
                event = {"swipe": 500 + number, "card": "c1", "amount": amount, "at": swipes.begun.isoformat()}
                writer.send([(None, json.dumps(event).encode())])
            writer.flush()


def test_a_view_that_is_moved_to_another_stream_is_a_new_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path, objects=BEFORE)
    swipes.send(2)
    send_other(swipes, 3, 1000.0)
    assert said(capsys, tmp_path, "stream", "run", "--once", "-q")[0] == 0
    assert said(capsys, tmp_path, "materialize", "spend", "-q")[0] == 0
    assert values(capsys, tmp_path, "spend") == (1, 102.0)
    (tmp_path / "objects.yaml").write_text(AFTER)
    code, text = said(capsys, tmp_path, "plan")
    assert "spend" in text
    assert "swipes -> other_swipes" in text.replace("→", "->")
    assert ("breaking" in text.lower(), "v2" in text or "@2" in text) == (True, True), text
    swipes.apply(AFTER)
    code, text = said(capsys, tmp_path, "get", "spend", "card=c1")  # the old version is answered meanwhile
    assert (code, "spend@1" in text, "102" in text) == (0, True, True), text
    code, text = said(capsys, tmp_path, "stream", "run", "--once")
    assert code == 0, text
    assert values(capsys, tmp_path, "spend") == (2, 3100.0)
    code, text = said(capsys, tmp_path, "materialize", "spend")
    assert code == 0, text
    assert amounts(tmp_path, 2) == [100.0, *[1000.0] * 3]
    assert amounts(tmp_path, 1) == [1.0, 1.0, 100.0]
    send_other(swipes, 4, 1000.0)
    swipes.send(1)
    assert said(capsys, tmp_path, "stream", "run", "--once", "-q")[0] == 0
    assert said(capsys, tmp_path, "materialize", "spend", "-q")[0] == 0
    assert values(capsys, tmp_path, "spend") == (2, 4100.0)
    assert amounts(tmp_path, 2) == [100.0, *[1000.0] * 4]
