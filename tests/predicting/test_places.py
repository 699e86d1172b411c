"""Predictions on events as they are written: messages of a topic, and rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import NoAnswerError, StoreError
from featurectl.core.units import format_iso
from featurectl.language.definitions.on_events import OnEvents
from featurectl.offline.appended_table import AppendedTable
from featurectl.predicting import places
from featurectl.predicting.places import open_place
from featurectl.predicting.prediction_rows import prediction_rows
from featurectl.predicting.predictions import EventPrediction
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.workspace.open import open_workspace
from featurectl.workspace.workspace import Workspace
from tests.servers.kafka import kafka_server
from tests.streaming.jobs_by_hand import JobsByHand
from tests.streaming.topics.reading import read_to_end, reading, wait_until

PROJECT = "project: shop\nenvironments:\n  dev: {registry: 'sqlite:///r.db', offline: off, online: 'sqlite:///on.db'}\n"
TYPES = {"card": "string", "shop": "int64", "day": "date", "is_new": "bool"}
TYPES |= {"amount": "decimal(9,2)", "ratio": "float64", "at": "timestamp", "later": "timestamp"}


def prediction(output: str = "score", version: int = 1, **keys: object) -> EventPrediction:
    """A prediction on an event with some keys."""
    types = {name: TYPES[name] for name in keys}
    return EventPrediction(
        id="00ff", model="fraud", version=version, output=output, score=0.5, error=None, keys=keys, key_types=types,
        event_us=1, time_us=1, known_us=1, topic="swipes", partition=0, offset=version,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"card": "c1"}, b"c1"),
        ({"day": date(2026, 1, 2)}, b"2026-01-02"),
        ({"day": date(2026, 1, 2), "shop": 7, "is_new": True}, b'["2026-01-02",7,true]'),
        ({"card": None}, None),
        ({}, None),
    ],
)
def test_the_key_of_a_message_is_that_of_events_with_these_keys(keys, wanted):
    key, _ = prediction(**keys).record()
    assert key == wanted


def test_a_message_says_instants_days_and_amounts_as_everything_else_does():
    keys = {
        "card": 'c"1', "shop": 7, "day": date(2026, 1, 2), "is_new": True, "amount": Decimal("1.50"), "ratio": 0.1,
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC), "later": datetime(2026, 1, 2, 3, 0, 0, 5, tzinfo=UTC),
    }  # fmt: skip
    _, value = prediction(**keys).record()
    said = {
        **keys,
        "day": "2026-01-02",
        "amount": "1.50",
        "at": format_iso(keys["at"]),
        "later": format_iso(keys["later"]),
    }
    known = "1970-01-01T00:00:00.000001Z"
    own = {
        "score": 0.5, "error": None, "event_time": known, "known_at": known, "model": "fraud", "version": 1,
        "topic": "swipes", "partition": 0, "offset": 1, "prediction_id": "00ff",
    }  # fmt: skip
    assert json.loads(value) == said | own


def test_keys_without_a_value_have_a_type_in_a_table(tmp_path: Path):
    table = AppendedTable(str(tmp_path / "scores"), "scores")
    table.append(prediction_rows([prediction(card=None, shop=None, day=None)]))
    table.append(prediction_rows([prediction(card="c1", shop=1, day=date(2026, 1, 2))]))
    rows = pl.read_delta(str(tmp_path / "scores")).sort("card", nulls_last=True)
    assert rows.select("card", "shop", "day").rows() == [("c1", 1, date(2026, 1, 2)), (None, None, None)]


def test_versions_with_other_keys_and_outputs_share_a_table():
    rows = prediction_rows([prediction(card="c1", shop=1), prediction("risk", 2, card="c2")])
    assert rows.select("card", "shop", "score", "risk", "version").rows() == [
        ("c1", 1, 0.5, None, 1),
        ("c2", None, None, 0.5, 2),
    ]


def test_a_table_that_cannot_be_written_does_not_tell_where_it_is(tmp_path: Path):
    (tmp_path / "hidden").touch()
    with pytest.raises(StoreError, match="can't be written") as caught:
        AppendedTable(str(tmp_path / "hidden"), "${OUT}").append(prediction_rows([prediction(card="c1")]))
    assert "hidden" not in caught.value.message


def test_rows_that_are_there_are_not_appended_again_as_files_stay_small(tmp_path, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("featurectl.offline.appended_table.COMPACTED_EACH", 1)
    monkeypatch.setattr("deltalake.table.TableOptimizer.compact", fails)
    table = AppendedTable(str(tmp_path / "scores"), "scores")
    for count in (1, 2):
        table.append(prediction_rows([prediction(card="c1")]))
        assert pl.read_delta(str(tmp_path / "scores")).height == count


@pytest.mark.long
def test_a_broker_that_hangs_is_not_asked_again_before_each_try(tmp_path: Path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    with (
        kafka_server() as server,
        open_workspace(tmp_path, None, None, "project file") as workspace,
        closing(open_topics(server.url)) as broker,
        closing(open_place(workspace, "fraud", OnEvents(topic="scores", url=server.url))) as place,
    ):
        broker.create("scores", 1)
        wait_until(place.prepare)
        place.put([prediction(version=1, card="c1")])
        wait_until(place.flush)
        server.pause()
        for _ in range(2):
            assert place.prepare()
            place.put([prediction(version=2, card="c1")])  # which fails where the broker is asked for its topic first
            with pytest.raises(NoAnswerError, match=r"have not taken 1 messages to topic scores within 2 s"):
                wait_until(place.flush)
            place.forget()
        server.resume()
        assert place.prepare()
        place.put([prediction(version=2, card="c1")])
        assert place.flush(is_last=True)
        with reading(broker, "scores") as log:
            versions = [json.loads(value)["version"] for _, _, value in read_to_end(log)[0]]
    assert (versions[0], {*versions[1:]}) == (1, {2})


@pytest.fixture
def jobs() -> JobsByHand:
    return JobsByHand()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    with open_workspace(tmp_path, None, None, "project file") as opened:
        yield opened


def test_a_topic_is_opened_beside(workspace: Workspace, tmp_path: Path, jobs: JobsByHand):
    url = f"sqlite:///{tmp_path / 'streams.db'}"
    place = open_place(workspace, "fraud", OnEvents(topic="scores", url=url), jobs.begin)
    assert (place.is_busy, place.flush(), place.flush(is_last=True)) == (False, True, True)
    for _ in range(3):
        assert not place.prepare()
        assert (place.is_busy, len(jobs.begun)) == (True, 1)
    jobs.do_one()
    assert place.prepare()
    assert not place.is_busy
    place.put([prediction(version=1, card="c1")])
    assert place.flush()
    place.close()
    assert not place.prepare()  # it is opened again, and closed meanwhile
    place.close()
    jobs.do_one()
    with closing(open_topics(url)) as broker, reading(broker, "scores") as log:
        assert sum(map(len, read_to_end(log).values())) == 1


def test_a_topic_that_can_not_be_opened_fails_a_step_and_is_tried_again(
    workspace: Workspace, tmp_path: Path, jobs: JobsByHand
):
    place = open_place(workspace, "fraud", OnEvents(topic="scores", url=f"sqlite:///{tmp_path}"), jobs.begin)
    for _ in range(2):
        assert not place.prepare()
        jobs.do_one()
        with pytest.raises(StoreError):
            place.prepare()
        place.forget()
        assert not place.is_busy


def test_a_table_takes_no_more_while_a_commit_is_under_way(
    workspace: Workspace, tmp_path: Path, jobs: JobsByHand, monkeypatch: pytest.MonkeyPatch
):
    place = open_place(workspace, "fraud", OnEvents(path="scores"), jobs.begin)
    assert place.prepare()
    place.put([prediction(version=1, card="c1")])
    assert (place.flush(), jobs.begun) == (False, [])  # others may come
    monkeypatch.setattr(places, "_EVERY_S", 0.0)
    for _ in range(3):
        assert (place.flush(), place.prepare(), place.is_busy, place.problem) == (False, False, True, None)
        assert len(jobs.begun) == 1
    monkeypatch.setattr(places, "_SILENT_S", 0.0)
    assert str(place.problem) == "a commit to table scores has been under way for more than 0 s"
    jobs.do_one()
    assert (place.flush(), place.prepare(), place.is_busy, place.problem) == (True, True, False, None)
    assert pl.read_delta(str(tmp_path / "scores")).height == 1


def test_the_last_commit_of_a_table_is_waited_for_in_vain_but_once(
    workspace: Workspace, jobs: JobsByHand, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(places, "_COMMIT_S", 0.01)
    place = open_place(workspace, "fraud", OnEvents(path="scores"), jobs.begin)
    place.put([prediction(version=1, card="c1")])
    with pytest.raises(NoAnswerError, match=r"table scores has not answered for 0\.01 s"):
        place.flush(is_last=True)
    assert place.flush(is_last=True)  # nothing of it is waited for any more
