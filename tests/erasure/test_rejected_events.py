"""Events of erased keys that the decoder rejects: they leave topics, logs and the tables of rejected events."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.erasure.stream_logs import StreamLogsPlace
from featurectl.erasure.topics import TopicsPlace
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, EventLog
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.erasure.erasing import bury, files_with, request_of
from tests.erasure.test_streams import CANARY, erase, logged_cards, run_once
from tests.streaming.session.swipes import OBJECTS, Swipes

OF_CANARY = (
    {"card": [CANARY], "swipe": 1},
    {"user": {"card": CANARY}},
    CANARY,
    [CANARY],
    {"card": None, "note": f"of {CANARY}."},
    {"card": CANARY, "swipe": "x"},
)
OF_OTHERS = (
    {"card": "c1", "note": CANARY, "swipe": "x"},
    {"card": "c1", "amount": CANARY},
    {"card": [f"{CANARY}-b"]},
    "c1",
)


@pytest.fixture
def swipes(tmp_path: Path) -> Swipes:
    return Swipes(root=tmp_path)


def places_of(log: EventLog) -> list[tuple[str, int, str]]:
    """Where the rejected events of a log are, or of a table of such, and why they are."""
    frames = [*log.read_rows(log.open(), [PARTITION, OFFSET, REJECTED])]
    return sorted(pl.concat(frames).filter(pl.col(REJECTED).is_not_null()).rows()) if frames else []


def rejected_in_both(swipes: Swipes) -> list[tuple[str, int, str]]:
    """What the log says of rejected events, which is what their table does."""
    with swipes.workspace() as workspace:
        source = workspace.repo.sources["swipes"]
        found, rejected = places_of(workspace.event_log(source)), places_of(workspace.rejected_log(source))
    assert found == rejected
    return found


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("event", OF_CANARY, ids=json.dumps)
@pytest.mark.sample(3)
def test_a_rejected_event_of_an_erased_key_leaves_all_places(swipes: Swipes, event: object):
    swipes.send_texts(json.dumps(event))
    swipes.send(2)
    run_once(swipes)
    assert len(rejected_in_both(swipes)) == 1
    found = erase(swipes)
    assert found == {
        "topic swipes of stream swipes": 1,
        "log of stream swipes": 1,
        "rejected events of stream swipes": 1,
    }
    assert rejected_in_both(swipes) == []
    assert files_with(swipes.root, CANARY) == []
    assert logged_cards(swipes) == ["c1"] * 2


def test_rejected_events_of_other_keys_stay(swipes: Swipes):
    swipes.send_texts(*map(json.dumps, OF_OTHERS))
    run_once(swipes)
    before = rejected_in_both(swipes)
    assert len(before) == len(OF_OTHERS)
    assert erase(swipes) == {}
    assert rejected_in_both(swipes) == before


def test_reasons_go_with_rejected_events_that_went_before(swipes: Swipes):
    """As of an erasure by a version that looked at their table only, or that was killed between."""
    swipes.send_texts(json.dumps([CANARY]), json.dumps(["c1"]))
    run_once(swipes)
    with swipes.workspace() as workspace:
        log = workspace.rejected_log(workspace.repo.sources["swipes"])
        (Path(log.location)).rename(swipes.root / "gone")
    assert erase(swipes)["log of stream swipes"] == 1
    with swipes.workspace() as workspace:
        left = places_of(workspace.event_log(workspace.repo.sources["swipes"]))
    assert [reason for _, _, reason in left] == ["no JSON object but ['c1']"]


KEYS = {"": (CANARY, "c1"), "[card]": (CANARY, "c1"), "[card, swipe]": (f'["{CANARY}",7]', '["c1",7]')}


@pytest.mark.long
@pytest.mark.parametrize("columns", KEYS)
@pytest.mark.parametrize("knows", [True, False], ids=["values", "hashes"])
def test_messages_go_whose_key_is_an_erased_one(tmp_path: Path, columns: str, *, knows: bool):
    stream = "{topic: swipes, key: COLUMNS}".replace("COLUMNS", columns) if columns else "{topic: swipes}"
    swipes = Swipes(root=tmp_path, objects=OBJECTS.replace("{topic: swipes}", stream))
    values = [b'{"swipe": 1}', b"\xff", swipes.event(card=None).encode()]
    keys = [*(key.encode() for key in KEYS[columns]), b"\xff[", None]
    swipes.send(0)
    with swipes.workspace() as workspace:
        url = workspace.topic_url(workspace.repo.sources["swipes"])
        with closing(open_topics(url)) as broker, closing(broker.open_writer("swipes")) as writer:
            writer.send([(key, value) for key in keys for value in values])
            writer.flush()
        written = bury(workspace, "card", {"card": CANARY})
        request = request_of(workspace, {written.number: {"card": CANARY}} if knows else None)
        assert [item.rows for item in TopicsPlace().look(request)] == [3]
        assert [item.rows for item in TopicsPlace().erase(request)] == [3]
        again = [*TopicsPlace().erase(request), *StreamLogsPlace().erase(request)]
        assert [item.rows for item in again] == ([] if knows else [0])
        assert all(item.unfinished == {written.number} for item in again)
    assert files_with(swipes.root, CANARY) == []


@pytest.mark.long
def test_an_erasure_that_was_cut_waits_for_the_key_of_events_without_one(swipes: Swipes, capsys: Any):
    def result(*words: str) -> Any:
        capsys.readouterr()
        assert main(["-C", str(swipes.root), *words, "-q", "-o", "json"]) == 0
        return json.loads(capsys.readouterr().out)["result"]

    swipes.send_texts(f"no JSON of {CANARY}")
    run_once(swipes)
    with swipes.workspace() as workspace:
        bury(workspace, "card", {"card": CANARY})  # and it was killed
    again = result("erase", "--again")["places"]
    assert [place["found"] for place in again] == [0, 0]  # topic and rejected events
    assert all("1 event has no key that can be read" in place["notes"][0] for place in again)
    assert result("status")["erasures_not_done"] == 1
    done = result("erase", "card", f"card={CANARY}")["places"]
    assert [(place["found"], place["notes"]) for place in done] == [(1, [])] * 3
    assert result("erase", "--again")["places"] == []
    assert result("status")["erasures_not_done"] == 0
