"""`stream status`: what a stream is from outside, in time, and how it reads."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.online.sqlite.stream_state import SqliteStreamState
from featurectl.online.stream_state.base import ReadingPosition, StreamSource
from featurectl.render.stream_status import render_stream_status, stream_status_json
from featurectl.streaming.retirement import state_name
from featurectl.streaming.status.facts import PartitionProgress, RecentEvents, StreamStatus, verdict_of
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.cli.golden import assert_golden
from tests.servers.redis import redis_server
from tests.streaming.session.swipes import LIMIT_S, Swipes

NOW = datetime(2026, 1, 8, 12, 0, 0, 250_000, tzinfo=UTC)
GOOD = StreamStatus(
    source="swipes",
    topic="swipes (kafka://broker-1:9092)",
    partitions=[
        PartitionProgress(partition=0, begin=0, end=1_204_511, done=1_204_511, unread=0, applied=NOW, reader="pod-1-a"),
        PartitionProgress(
            partition=1,
            begin=12,
            end=1_198_020,
            done=1_197_998,
            unread=22,
            applied=NOW - timedelta(milliseconds=41),
            reader="pod-2-b",
        ),
        PartitionProgress(partition=2, begin=0, end=7, unread=7),
    ],
    asof=NOW - timedelta(milliseconds=41),
    clock=NOW,
    warn_after_us=10_000_000,
    error_after_us=60_000_000,
    views={"spend@2": "online", "newest@1": "being made anew"},
    readers={"pod-1-a": [0], "pod-2-b": [1], "pod-3-c": []},
    logged=NOW - timedelta(seconds=4),
    gaps=[(NOW - timedelta(days=2), NOW - timedelta(days=2, seconds=-3))],
    rejected=1_205,
    recent=RecentEvents(seconds=60.0, events=74_103, late=31, repeats=2),
)
FAILED = replace(
    GOOD,
    source="clicks",
    topic="clicks (redis://cache:6379)",
    partitions=[],
    asof=None,
    views={},
    readers=None,
    logged=None,
    gaps=[],
    rejected=None,
    recent=None,
    failures={"topic": "no answer within 5 s", "online store": "the online store redis://cache:6379 refuses"},
)


@pytest.mark.parametrize("width", [80, 120])
def test_streams_are_read_at_a_glance(monkeypatch: pytest.MonkeyPatch, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    off = replace(FAILED, failures={}, source="views")
    preparing = replace(GOOD, source="orders", partitions=[], views={"spend@2": "being made"}, gaps=[], logged=None)
    found = [replace(status, verdict=verdict_of(status)) for status in (GOOD, FAILED, off, preparing)]
    text = render_stream_status(found)
    assert_golden(f"stream_status_{width}.txt", text + "\n")


def test_a_verdict_is_of_what_is_gravest():
    assert verdict_of(GOOD) == "OK"
    assert verdict_of(replace(GOOD, clock=NOW + timedelta(seconds=11))) == "WARN"
    old = replace(GOOD, clock=NOW + timedelta(minutes=2))
    assert verdict_of(old) == "STALE"
    assert verdict_of(replace(old, views={"spend@2": "being made"})) == "OFF"
    assert verdict_of(replace(old, failures={"log": "is broken"})) == "ERROR"


def status(swipes: Swipes, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    """The exit code of `stream status`, and what it says of the stream."""
    capsys.readouterr()
    code = main(["stream", "status", "-C", str(swipes.root), "-o", "json"])
    return code, json.loads(capsys.readouterr().out)["result"]["streams"][0]


@pytest.mark.long
def test_a_stream_is_off_until_a_worker_has_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(5)
    code, found = status(swipes, capsys)
    assert (code, found["verdict"], found["unread"], found["views"]) == (1, "OFF", 5, {"spend@1": "not online"})
    assert found["workers"] == {}
    assert main(["stream", "run", "-C", str(tmp_path), "-q", "--once"]) == 0
    swipes.send(2)
    code, found = status(swipes, capsys)
    assert (code, found["verdict"], found["unread"], found["views"]) == (0, "OK", 2, {"spend@1": "online"})
    assert (found["rejected"], found["last_minute"]["events"]) == (0, 5)  # type: ignore[index]
    (tmp_path / "streams.db").unlink()
    code, found = status(swipes, capsys)
    assert (code, found["verdict"], [*found["failures"]]) == (1, "ERROR", ["topic"])  # type: ignore[misc]
    assert found["as_of"] is not None


def test_a_name_that_is_no_stream_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    assert main(["stream", "status", "swipes_files", "-C", str(swipes.root)]) == 64
    assert "is no stream" in capsys.readouterr().err


@pytest.mark.long
def test_a_store_that_hangs_is_told_of_and_all_else_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with redis_server() as server:
        swipes = Swipes(root=tmp_path, online=server.url)
        swipes.send(3)
        assert main(["stream", "run", "-C", str(tmp_path), "-q", "--once"]) == 0
        server.pause()
        begin = time.monotonic()
        code, found = status(swipes, capsys)
        assert time.monotonic() - begin < LIMIT_S  # it hangs until it is told to go on
        server.resume()
    assert (code, found["verdict"], [*found["failures"]]) == (1, "ERROR", ["online store"])  # type: ignore[misc]
    assert (found["logged_to"] is not None, len(found["partitions"]) > 0) == (True, True)  # type: ignore[arg-type]


def test_a_worker_that_is_late_with_its_sign_is_told_of_as_silent():
    text = render_stream_status([replace(GOOD, seen_s={"pod-1-a": 1.2, "pod-2-b": 9.4})])
    assert "workers  pod-1-a (1 partition), pod-2-b (1 partition, silent for 9 s)" in text


def test_a_partition_that_was_only_begun_has_no_instant(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(1)
    with closing(open_topics(f"sqlite:///{tmp_path / 'streams.db'}")) as broker:
        topic = broker.state("swipes")
    store = SqliteStreamState(tmp_path / "on.db")
    place = StreamSource(project="shop", env="dev", source="swipes")
    with closing(store), closing(store.connect(place)) as connection:
        connection.register.add_partition(state_name(topic, 0), 0)
    _, found = status(swipes, capsys)
    assert [of["as_of"] for of in found["partitions"]] == [None] * topic.partitions  # type: ignore[attr-defined]


@pytest.mark.long
def test_instants_that_a_wrong_clock_has_given_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(1)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    place = StreamSource(project="shop", env="dev", source="swipes")
    later_us = time.time_ns() // 1_000 + 86_400_000_000
    store = SqliteStreamState(tmp_path / "on.db", clock=lambda: later_us)
    with closing(store), closing(store.connect(place)) as connection:
        known = connection.register.read_state().partitions
        there = [ReadingPosition(partition=of.number, position=of.end, at_end=True) for of in known]
        assert all(connection.register.heartbeat(there))
    capsys.readouterr()
    assert main(["-C", str(tmp_path), "stream", "status"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("swipes: ERROR, online as of ")
    assert "error    online store: answers are as of " in said


@pytest.mark.parametrize(("behind_s", "shown"), [(89, ""), (91, "1 min"), (760, "12 min")])
def test_a_log_that_is_far_behind_what_is_online_is_told(behind_s: int, shown: str):
    status = replace(GOOD, logged=NOW - timedelta(milliseconds=41, seconds=behind_s))
    assert verdict_of(status) == ("WARN" if shown else "OK")
    text = f", {shown} behind what is online: /ready of its workers says why, 74,103 events"
    assert (text in render_stream_status([status])) == bool(shown)
    assert stream_status_json(status)["log_behind_seconds"] == (behind_s if shown else 0)
    never = replace(status, logged=None)
    assert (verdict_of(never), never.log_behind_us) == ("OK", 0)
