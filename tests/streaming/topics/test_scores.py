"""Scores go to a topic: each row once in a run, however often that is killed and continued."""

from __future__ import annotations

import json
import signal
from contextlib import closing

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.streaming.scores_topic import named_topic
from featurectl.workspace.open import open_workspace
from tests.operations.scoring.killed import ROWS, killed, score_words, scored_shop
from tests.operations.scoring.shop import OBJECTS
from tests.streaming.topics.kinds import TopicKind
from tests.streaming.topics.reading import read_to_end, reading


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository, a spine of three ranges, and the file of its scores."""
    return scored_shop(tmp_path_factory.mktemp("shop"), OBJECTS)


def out(kind: TopicKind, topic: str) -> str:
    """Return what names a topic of 3 partitions."""
    with closing(kind.open()) as broker:
        broker.create(topic, 3)
    return f"{kind.url}{'&' if '?' in kind.url else '?'}topic={topic}"


def told(kind: TopicKind, topic: str) -> list[tuple[bytes | None, dict]]:
    """Return the keys and the values of all messages of a topic."""
    with closing(kind.open()) as broker, reading(broker, topic) as log:
        found = read_to_end(log)
    return [(key, json.loads(value)) for messages in found.values() for _, key, value in messages]


@pytest.mark.long
def test_each_row_is_a_message_under_the_key_of_its_entity(made, kind, topic):
    place = out(kind, topic)
    assert main(score_words(made, place)) == 0
    wanted = pl.read_parquet(made / "expected.parquet")
    messages = told(kind, topic)
    assert len(messages) == ROWS
    rows = sorted((value for _, value in messages), key=lambda value: int(value["score_id"].split("-")[1]))
    assert [row["score"] for row in rows] == wanted["score"].to_list()
    assert [row["note"] for row in rows] == wanted["note"].to_list()
    assert rows[0]["at"].endswith("Z")
    assert {(row["model"], row["model_version"]) for row in rows} == {("m", 1)}
    assert len({row["score_id"] for row in rows}) == ROWS
    assert all(key == (None if value["k"] is None else value["k"].encode()) for key, value in messages)
    assert not (made / ".featurectl" / "scores-sent").exists()
    if kind.url.startswith("sqlite"):  # another run sends all again, as others
        assert main(score_words(made, place)) == 0
        assert len({value["score_id"] for _, value in told(kind, topic)}) == 2 * ROWS


@pytest.mark.long
def test_a_run_that_is_killed_goes_on_and_sends_each_row_once(made, kind, topic):
    place = out(kind, topic)
    for number in (1, 4, 9):
        for _ in range(2 if number == 4 else 1):
            assert killed("messages sent", number, score_words(made, place)) == -signal.SIGKILL
        assert main(score_words(made, place)) == 0
    messages = told(kind, topic)
    assert len(messages) == 3 * ROWS
    assert len({value["score_id"] for _, value in messages}) == 3 * ROWS


@pytest.mark.long
def test_an_environment_says_where_topics_are(made, capsys):
    assert main([*score_words(made, "topic:scores")[:-1]]) == 64
    assert "does not say where topics are, and so not where topic scores is" in capsys.readouterr().err


def test_an_output_that_names_no_topic_is_said():
    for out in ("topic:", "kafka://host?topic="):
        with pytest.raises(UsageError, match="--out names no topic"):
            named_topic(out, "m")
    assert named_topic("kafka://host:9092?topic=a%20b&acks=all", "m") is not None
    assert named_topic("postgresql://host/topic?table=topic", "m") is None


@pytest.mark.long
def test_columns_that_events_do_not_hold_are_refused(made):
    topic = named_topic(f"sqlite:///{made}/topics.db?topic=scores", "m")
    assert topic is not None
    with open_workspace(made, None, None, "unread") as workspace:
        bound = topic.within(workspace)
        with pytest.raises(UsageError, match=r"column 's' is Struct.*, which no event holds"):
            bound.check_columns(pl.Schema({"s": pl.Struct({"x": pl.Int64()})}))
        with pytest.raises(UsageError, match="column 'score_id' has the name of what is added to each message"):
            bound.check_columns(pl.Schema({"score_id": pl.String()}))
