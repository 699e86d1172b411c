"""What workers answer over HTTP while they run, while their store is away, and to Prometheus."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from featurectl.cli.main import main
from featurectl.streaming.lag import PartitionLag, StreamLag
from featurectl.streaming.session.followed_streams import FollowedStreams
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stream_watch import StreamWatch, WatchedStream
from featurectl.streaming.session.worker_health import check_fresh
from featurectl.streaming.session.worker_http import WorkerHttp
from featurectl.streaming.topics.sqlite.broker import SqliteTopics
from tests.servers.redis import free_port, redis_server
from tests.streaming.session.running import Running
from tests.streaming.session.swipes import LIMIT_S, OBJECTS, Swipes, wait_for
from tests.streaming.session.test_processes import said, started

PROMISED = OBJECTS.replace("    aggregates:", "    freshness: {error_after: 1m}\n    aggregates:")


def asked(port: int, path: str) -> tuple[int, str]:
    """The status and the body of an answer; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def verdict(port: int, path: str) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(asked(port, path)[1])
    return found


def metrics(port: int) -> Mapping[str, float]:
    """The metrics by their names, of several the sum."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(asked(port, "/metrics")[1]):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_a_stream_that_is_gone_keeps_no_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    swipes, closed = Swipes(root=tmp_path), list[bool]()
    swipes.send(1)
    with swipes.workspace() as workspace:
        streams = dict(FollowedStreams(workspace).read())
        monkeypatch.setattr(SqliteTopics, "close", lambda _: closed.append(True))
        watch = StreamWatch(workspace, lambda: streams)
        watch.look()
        assert watch.watched["swipes"].problem == ""
        streams.clear()
        watch.look()
    assert (watch.watched, closed) == ({}, [True])


def test_what_is_asked_before_anything_was_done_is_answered(tmp_path: Path):
    swipes = Swipes(root=tmp_path, objects=PROMISED)
    swipes.send(3)
    with swipes.workspace() as workspace:
        watch = StreamWatch(workspace, FollowedStreams(workspace).read)
        http = WorkerHttp("shop", "dev", watch, Running())
        assert http.answer("/health").status == 200
        assert [http.answer(path).status for path in ("/ready", "/fresh", "/other")] == [503, 503, 404]
        watch.look()
        assert json.loads(http.answer("/ready").body)["problems"] == ["source swipes: work on it has not begun"]
        assert json.loads(http.answer("/fresh").body)["problems"] == [
            "view spend@1 can't be read: its lists are not made"
        ]
        http.report([SourceReport(source="swipes", has_begun=True, problem="the disk is full")])
        assert json.loads(http.answer("/ready").body)["problems"] == ["source swipes: the disk is full"]
        http.report([SourceReport(source="swipes", has_begun=True, lists_problem="no file")])
        found = json.loads(http.answer("/ready").body)
        assert (found["status"], len(found["warnings"])) == ("ready", 1)
        text = http.answer("/metrics").body.decode()
        of_partitions = re.findall(r'^featurectl_stream_lag_events\{.*partition="\d"\} (\d)$', text, re.MULTILINE)
        assert (len(of_partitions), sum(map(int, of_partitions))) == (4, 3)
        http.is_ending = lambda: True
        assert http.answer("/ready").status == 503
        for opened in watch._opened.values():  # noqa: SLF001
            opened.close()


def test_a_view_is_stale_past_its_sla_or_where_nobody_looks(tmp_path: Path):
    swipes = Swipes(root=tmp_path, objects=PROMISED)
    with swipes.workspace() as workspace:
        stream = FollowedStreams(workspace).read()["swipes"]
    lag = StreamLag(
        asof_us=40_000_000,
        partitions=[PartitionLag(partition=0, position=1, unread=0, applied_us=40_000_000)],
        readable=frozenset({"spend@1"}),
    )
    watched = {"swipes": WatchedStream(stream=stream, looked_s=5.0, lag=lag)}
    assert check_fresh(watched, 99_000_000, 6.0).problems == []
    assert check_fresh(watched, 165_000_000, 6.0).problems == [
        "view spend@1 is 2 min old, and its error_after is 1 min"
    ]
    assert "nobody has seen how far it is for 25 s" in check_fresh(watched, 99_000_000, 30.0).problems[0]


def test_a_port_that_is_none_or_taken_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    assert main(["-C", str(swipes.root), "stream", "run", "--once", "--port", "0"]) == 64
    assert capsys.readouterr().err == "error: --port 0 is not within bounds\n  = 1 to 65535\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["-C", str(swipes.root), "stream", "run", "--once", "--port", str(port)]) == 64
    assert f"127.0.0.1:{port} can't be listened on: Address already in use" in capsys.readouterr().err


def counts_are(found: Mapping[str, float], workers: int) -> bool:
    """Whether the log has five events and a rejected one, once each, and all partitions are worked on.

    What one of two workers has taken before the other got the partition is taken again, and counted again.
    """
    names = ("logged_events_total", "partitions", "events_total", "rejected_events_total")
    logged, partitions, events, rejected = (found.get(f"featurectl_stream_{name}", 0) for name in names)
    is_counted = (events, rejected) == (5, 1) if workers == 1 else events >= 5 and rejected >= 1
    return is_counted and (logged, partitions) == (6, 4)


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_tells_that_it_works_and_that_its_store_is_away(tmp_path: Path, workers: int):
    port = free_port()
    with redis_server() as server:
        url = f"{server.url}?socket_timeout=1"
        swipes = Swipes(root=tmp_path, objects=PROMISED, online=url)
        swipes.send(5)
        swipes.send_texts("{")
        with started(swipes, "--port", str(port), "--workers", str(workers)) as process:
            wait_for(lambda: asked(port, "/fresh")[0] == 200 and asked(port, "/ready")[0] == 200)
            wait_for(lambda: counts_are(metrics(port), workers))
            wait_for(lambda: metrics(port).get("featurectl_stream_lag_events") == 0)
            wait_for(lambda: 0 <= metrics(port).get("featurectl_stream_asof_age_seconds", -1) < 30)
            server.kill()
            wait_for(lambda: asked(port, "/ready")[0] == 503)
            wait_for(lambda: metrics(port).get("featurectl_stream_problem") == 1)
            assert asked(port, "/health")[0] == 200
            server.start()
            wait_for(lambda: asked(port, "/ready")[0] == 200 and asked(port, "/fresh")[0] == 200)
            process.terminate()
            assert process.wait(LIMIT_S) == 0, said(swipes)
    assert asked(port, "/health")[0] == 0
