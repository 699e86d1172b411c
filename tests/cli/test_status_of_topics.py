"""`stream status` says of a topic, or a log, that lacks what it had what a worker says that begins with it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from featurectl.cli.main import main
from featurectl.offline.event_log import RETIRED_US, LoggedPartition, LogState
from featurectl.online.stream_state.base import RETIRED, RegisterState, StreamPartition
from featurectl.streaming.status import read
from featurectl.streaming.status.in_time import ask_in_time
from featurectl.streaming.status.topic_problem import lost_messages, topic_problem
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TopicBroker, TopicState, Watermarks
from featurectl.streaming.topics.redis.keys import stream_key
from tests.servers.redis import redis_server
from tests.streaming.session.swipes import Swipes

TOPIC = TopicState(topic="swipes", partitions=3, incarnation="a1")
RESTORED = "it came back from an older copy, or its broker has lost messages: make it anew under its name, "


def register(applied: int = 5, **done: int) -> RegisterState:
    """A register of partitions by their names, which are `p<number>_<incarnation>`."""
    partitions = [
        StreamPartition(name=named(name), number=0, first=0, kept=0, done=of, end=of, applied=applied)
        for name, of in done.items()
    ]
    return RegisterState(partitions=partitions, asof=5, last=5, views={}, run="r", left=0, clock_us=6)


def log(applied_us: int = 5, **ends: int) -> LogState:
    parts = {named(name): LoggedPartition(first=0, end=end, applied_us=applied_us) for name, end in ends.items()}
    return LogState(partitions=parts)


def named(short: str) -> str:
    number, incarnation = short[1:].split("_")
    return f"swipes/{number}#{incarnation}"


def marks(*of: tuple[int, int]) -> Mapping[int, Watermarks]:
    return {number: Watermarks(begin=begin, end=end) for number, (begin, end) in enumerate(of)}


def test_a_topic_that_has_all_that_was_read_has_no_problem():
    assert topic_problem(TOPIC, marks((0, 9)), None, None) is None
    assert topic_problem(TOPIC, marks((0, 9)), register(p0_a1=9), log(p0_a1=7)) is None
    assert topic_problem(TOPIC, marks((9, 9)), register(p0_a1=9), log(p0_a1=9)) is None  # all was removed by now
    assert topic_problem(TOPIC, marks((12, 12)), register(p0_a1=9), log(p0_a1=9)) is None


@pytest.mark.parametrize(("done", "logged"), [(9, 9), (9, 4), (4, 9)])
def test_a_partition_that_ends_before_its_place_is_named(done: int, logged: int):
    problem = topic_problem(TOPIC, marks((0, 7)), register(p0_a1=done), log(p0_a1=logged))
    assert problem is not None
    assert problem.message == "topic swipes, partition 0 was read to position 9, and now ends at 7"
    assert (problem.code, problem.hint.startswith(RESTORED)) == ("FC609", True)


def test_all_partitions_that_end_too_early_are_named():
    ends = marks((0, 7), (0, 3), (0, 2))
    problem = topic_problem(TOPIC, ends, register(p0_a1=9, p1_a1=3, p2_a1=8), None)
    assert problem is not None
    assert problem.message == (
        "topic swipes, partition 0 was read to position 9, and now ends at 7; "
        "so does partition 2 (read to 8, ends at 2)"
    )


def test_a_topic_that_was_made_again_is_a_problem_until_it_is_reset():
    problem = topic_problem(TOPIC, marks((0, 7)), register(p0_b2=9), log(p0_b2=8))
    assert problem is not None
    assert problem.message == "topic swipes, partition 0 was read to position 8, and the topic was made again"
    assert problem.hint.startswith("`featurectl stream reset SOURCE` begins anew with the topic as it is")
    retired = register(RETIRED, p0_b2=9)
    assert topic_problem(TOPIC, marks((0, 7)), register(p0_b2=9), log(RETIRED_US, p0_b2=8)) is None
    assert topic_problem(TOPIC, marks((0, 7)), retired, None) is None
    assert topic_problem(TOPIC, marks((0, 7)), register(p0_b2=9), None) is None  # the log is not known


@pytest.mark.parametrize("readers", [set(), {0}])
def test_messages_that_are_gone_unread_are_a_problem(readers: set[int]):
    gone = lost_messages(TOPIC, marks((12, 15)), register(p0_a1=9), log(p0_a1=9), readers)
    assert gone is not None
    assert gone.message == (
        "at most 3 messages of topic swipes, partition 0 are gone: it was read to position 9, and now begins at 12"
    )
    assert (gone.code, gone.hint.startswith("the topic's retention is shorter")) == ("FC608", True)
    assert lost_messages(TOPIC, marks((9, 15)), register(p0_a1=9), log(p0_a1=9), readers) is None
    assert lost_messages(TOPIC, marks((12, 15)), register(p0_b2=9), log(p0_b2=9), readers) is None  # not begun yet


def test_what_lists_lack_and_the_log_has_is_not_gone():
    assert lost_messages(TOPIC, marks((12, 15)), register(p0_a1=9), log(p0_a1=12), set()) is None
    taken = register(p0_a1=12)  # by a worker that has it, and logs it
    assert lost_messages(TOPIC, marks((12, 15)), taken, log(p0_a1=9), {0}) is None
    assert lost_messages(TOPIC, marks((12, 15)), taken, log(p0_a1=9), set()) is not None


def test_all_partitions_of_which_messages_are_gone_are_named():
    begins = marks((12, 15), (9, 9), (11, 11))
    gone = lost_messages(TOPIC, begins, register(p0_a1=9, p1_a1=9, p2_a1=9), log(p0_a1=9, p1_a1=9, p2_a1=9), set())
    assert gone is not None
    assert gone.message.endswith("now begins at 12; so are messages of partition 2 (at most 2)")


def status(swipes: Swipes, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, dict[str, str]]:
    """The exit code of `stream status`, its verdict, and what has failed."""
    capsys.readouterr()
    code = main(["stream", "status", "-C", str(swipes.root), "-o", "json"])
    found = json.loads(capsys.readouterr().out)["result"]["streams"][0]
    return code, found["verdict"], found["failures"]


def work(swipes: Swipes) -> int:
    return main(["stream", "run", "-C", str(swipes.root), "-q", "--once"])


def copy(root: Path, source: str, target: str) -> None:
    with closing(sqlite3.connect(root / source)) as one, closing(sqlite3.connect(root / target)) as other:
        one.backup(other)


def test_a_restored_topic_is_an_error_of_status_and_of_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    assert work(swipes) == 0
    copy(tmp_path, "streams.db", "copy.db")
    swipes.send(9)
    assert work(swipes) == 0
    assert status(swipes, capsys) == (0, "OK", {})
    copy(tmp_path, "copy.db", "streams.db")
    code, verdict, failures = status(swipes, capsys)
    assert (code, verdict, [*failures]) == (1, "ERROR", ["topic"])
    assert "was read to position" in failures["topic"]
    assert f"; {RESTORED}" in failures["topic"]
    assert "`featurectl stream reset swipes` then" in failures["topic"]
    assert work(swipes) == 69
    said = capsys.readouterr().err
    assert "error[FC609]: topic swipes, partition " in said
    assert RESTORED in said


@pytest.fixture(params=["sqlite", "redis"])
def swipes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Swipes]:
    """The project with topics of a kind."""
    if request.param == "sqlite":
        yield Swipes(root=tmp_path)
        return
    with redis_server() as server:
        yield Swipes(root=tmp_path, streams=server.url)


def broker_of(swipes: Swipes) -> TopicBroker:
    with swipes.workspace() as workspace:
        return open_topics(workspace.topic_url(workspace.repo.sources["swipes"]))


def trim(swipes: Swipes, left: int = 0) -> None:
    """Remove the messages of a topic below so many offsets before the end of each partition."""
    with closing(broker_of(swipes)) as broker:
        broker.trim("swipes", {number: of.end - left for number, of in broker.watermarks("swipes").items()})


def test_retention_that_outran_readers_is_an_error_until_reset(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    swipes.send(3)
    assert work(swipes) == 0
    trim(swipes)
    assert status(swipes, capsys) == (0, "OK", {})  # all of it was read
    swipes.send(9)
    assert status(swipes, capsys) == (0, "OK", {})
    trim(swipes, left=1)
    code, verdict, failures = status(swipes, capsys)
    assert (code, verdict, [*failures]) == (1, "ERROR", ["topic"])
    assert " of topic swipes, partition " in failures["topic"]
    assert "; the topic's retention is shorter than the reader was away: raise it. `featurectl" in failures["topic"]
    assert work(swipes) == 69
    assert "error[FC608]: " + failures["topic"].partition(";")[0] in capsys.readouterr().err
    assert main(["stream", "reset", "swipes", "-C", str(swipes.root), "-q"]) == 0
    assert status(swipes, capsys)[2] == {}
    assert work(swipes) == 0
    assert status(swipes, capsys) == (0, "OK", {})


def test_what_a_worker_reads_and_trims_meanwhile_is_not_gone(swipes: Swipes, monkeypatch: pytest.MonkeyPatch):
    swipes.send(3)
    assert work(swipes) == 0
    swipes.send(9)
    asked: list[int] = []

    def ask(*of: Any) -> Any:
        asked.append(1)
        if len(asked) == 3:  # register and log were read, and the topic was not
            assert work(swipes) == 0
            trim(swipes)
            swipes.send(2)
        return ask_in_time(*of)

    monkeypatch.setattr(read, "ask_in_time", ask)
    with swipes.workspace() as workspace:
        [found] = read.read_stream_status(workspace, [])
    assert (found.verdict, found.failures, len(asked)) == ("OK", {}, 4)


@pytest.mark.long
def test_ids_of_redis_tell_what_was_removed_from_what_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with redis_server() as server, server.client() as client, closing(open_topics(server.url)) as broker:
        swipes = Swipes(root=tmp_path, streams=server.url)
        swipes.send(9)
        assert work(swipes) == 0
        assert broker.trim("swipes", {number: of.end for number, of in broker.watermarks("swipes").items()})
        assert {of.begin for of in broker.watermarks("swipes").values()} != {0}
        assert status(swipes, capsys) == (0, "OK", {})
        swipes.send(9)
        [first, *_] = [number for number, of in broker.watermarks("swipes").items() if of.begin < of.end]
        client.copy(stream_key("swipes", first).decode(), "copy")
        swipes.send(9)
        assert work(swipes) == 0
        assert status(swipes, capsys) == (0, "OK", {})
        client.copy("copy", stream_key("swipes", first).decode(), replace=True)
        code, verdict, failures = status(swipes, capsys)
        assert (code, verdict) == (1, "ERROR")
        assert f"topic swipes, partition {first} was read to position " in failures["topic"]
        assert work(swipes) == 69


def test_a_topic_made_again_is_an_error_of_status_until_reset(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert work(swipes) == 0
    for file in tmp_path.glob("streams.db*"):
        file.unlink()
    swipes.send(2)
    code, verdict, failures = status(swipes, capsys)
    assert (code, verdict) == (1, "ERROR")
    assert failures["topic"].endswith(
        ", and the topic was made again; `featurectl stream reset swipes` begins anew with the topic as it is; "
        "what was logged stays"
    )
    assert main(["stream", "reset", "swipes", "-C", str(tmp_path), "-q"]) == 0
    assert status(swipes, capsys)[2] == {}


def test_a_log_that_lacks_events_is_an_error_of_status_until_reset(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert work(swipes) == 0
    assert status(swipes, capsys) == (0, "OK", {})
    shutil.rmtree(tmp_path / "off" / "shop" / "_streams")
    code, verdict, failures = status(swipes, capsys)
    assert (code, verdict, [*failures]) == (1, "ERROR", ["log"])
    assert " ends at offset 0 of partition swipes/" in failures["log"]
    assert "; restore it; or `featurectl stream reset swipes --log-lost` begins anew" in failures["log"]
    assert work(swipes) == 69
    assert "error[FC617]" in capsys.readouterr().err
    assert main(["stream", "reset", "swipes", "--log-lost", "-C", str(tmp_path), "-q"]) == 0
    assert status(swipes, capsys)[2] == {}
    assert work(swipes) == 0
    assert status(swipes, capsys) == (0, "OK", {})
