"""What a server says while it runs: one line for each thing that happens, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
import redis

from featurectl import __version__
from featurectl.core.secrets import hide
from featurectl.serving.journal import Journal
from tests import web
from tests.servers.redis import free_port
from tests.serving.process import START_LIMIT_S, running
from tests.serving.test_faults import Redis
from tests.serving.trial import run, wait_until

BEGIN = datetime(2026, 1, 8, 9, 0, 1, 204_000, UTC)
TEXT = """\
2026-01-08T09:00:02.204Z info promoted [P]: click: champion 1 -> 2
2026-01-08T09:00:04.204Z error store_lost [P]: it is gone and said so in two lines
2026-01-08T09:00:08.204Z info store_back [P]: after 4 s
"""
LINES = """\
{"time":"2026-01-08T09:00:02.204Z","level":"info","event":"promoted","process":P,"message":"click: champion 1 -> 2","model":"click","version":2}
{"time":"2026-01-08T09:00:04.204Z","level":"error","event":"store_lost","process":P,"message":"it is gone\\nand said so in two lines"}
{"time":"2026-01-08T09:00:08.204Z","level":"info","event":"store_back","process":P,"message":"after 4 s","seconds":4.0}
"""  # noqa: E501  # lines of a file or a screen


def lines_of(form: Literal["text", "json"]) -> str:
    """What a journal writes of some events, a clock that goes on by a second at each look."""
    lines: list[str] = []
    seconds = iter(range(1, 100))

    def clock():
        return BEGIN + timedelta(seconds=next(seconds))

    journal = Journal(form, lines.append, clock)
    journal.end("store_lost", "store_back")  # it was never lost
    journal.report("promoted", "click: champion 1 -> 2", model="click", version=2)
    for _ in range(3):
        journal.begin("store_lost", "it is gone\nand said so in two lines")
    clock()
    clock()
    journal.end("store_lost", "store_back")
    return (
        re.sub(r'\[\d+\]|(?<="process":)\d+', lambda found: "[P]" if found[0][0] == "[" else "P", "\n".join(lines))
        + "\n"
    )


def test_events_are_a_line_each_as_text_and_as_json():
    assert lines_of("text") == TEXT
    assert lines_of("json") == LINES


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_hidden_before_json_escapes_it(form):
    lines, secret = [], """p@CANARY'"w"""
    journal = Journal(form, lines.append, lambda: BEGIN, lambda text: hide(text, [secret]))
    journal.report("store_lost", f"a\n{secret} and {secret}", traceback=f"-\n{secret}")
    assert "CANARY" not in lines[0]
    assert lines[0].count("***") == (2 if form == "text" else 3)


def test_what_lasts_for_one_of_several_is_told_once_and_ends_for_each():
    lines = []
    journal = Journal("text", lines.append, lambda: BEGIN)
    for _ in range(3):
        for label in ("click@1", "click@2"):
            journal.begin("log_failed", f"predictions of {label} could not be logged", of=label)
        journal.end("log_failed", "log_written", "late@1")
    journal.end("log_failed", "log_written", "click@1")
    assert [line.partition("]: ")[2] for line in lines] == [
        "predictions of click@1 could not be logged",
        "predictions of click@2 could not be logged",
        "click@1 after 0 s",
    ]


def test_a_fault_is_one_line_with_its_place_and_json_has_the_whole_trace():
    lines = []
    try:
        raise ValueError("a\nb")  # noqa: TRY301  # the line of the test is the place
    except ValueError as error:
        Journal("text", lines.append).fault(error)
        Journal("json", lines.append).fault(error)
    assert re.search(r" error fault \[\d+\]: ValueError: a b \(.*test_journal\.py:\d+\)$", lines[0])
    assert "Traceback" in json.loads(lines[1])["traceback"]


class SecretRedis(Redis):
    """One that asks for a password."""

    def client(self):
        return redis.Redis(port=self.port, password="S3cretRedis")  # noqa: S106  # made up


def events(server) -> list[dict]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


@pytest.fixture
def store(tmp_path):
    server = SecretRedis(tmp_path).start("--requirepass", "S3cretRedis")
    yield server
    server.stop()


@pytest.mark.long
def test_a_server_tells_what_happens_to_it_and_no_secret(own_clicks, store, monkeypatch):
    keys = "S3cretKey"
    monkeypatch.setenv("ONLINE", store.url.replace("redis://", "redis://:S3cretRedis@"))
    run(own_clicks, "apply", "--auto-approve")
    run(own_clicks, "push")
    options = ("--log-format", "json", "--reload", "0.1", "--timeout", "20", "--store-timeout", "20")
    with running(own_clicks, *options, environ={"FEATURECTL_API_KEYS": keys}) as server:
        run(own_clicks, "train", "click", "--again")
        run(own_clicks, "models", "promote", "click@2")
        wait_until(lambda: any(event["event"] == "promoted" for event in events(server)))
        store.stop()
        wait_until(lambda: any(event["event"] == "store_lost" for event in events(server)))
        web.get(f"{server.url}/ready", timeout=20)
        store.start("--requirepass", "S3cretRedis")
        wait_until(lambda: any(event["event"] == "store_back" for event in events(server)))
        assert server.stop() == 0
    found = events(server)
    assert {event["process"] for event in found} == {server.process.pid}
    names = [event["event"] for event in found]
    assert names[:2] == ["starting", "serving"]
    assert names[-1] == "stopped"
    assert (names.count("store_lost"), names.count("store_back"), names.count("promoted")) == (1, 1, 1)
    starting, serving = found[:2]
    assert (starting["address"], starting["workers"], starting["version"]) == (server.url, 1, __version__)
    assert (serving["models"], serving["views"]) == (["click@1 (champion)"], 3)
    promoted = found[names.index("promoted")]
    assert (promoted["model"], promoted["before"], promoted["version"]) == ("click", 1, 2)
    assert "S3cret" not in server.log.read_text()


@pytest.mark.long
def test_a_view_that_was_never_pushed_waits_and_is_not_served(own_clicks):
    run(own_clicks, "push")
    (own_clicks / "more.yaml").write_text(
        "feature_views: [{name: fresh, entity: user, source: orders, aggregates: [{op: count, windows: [2d]}]}]\n"
    )
    with running(own_clicks, "--log-format", "json", "--reload", "0.1", "--timeout", "20") as server:
        run(own_clicks, "apply", "--auto-approve")
        wait_until(lambda: any(event["event"] == "view_waiting" for event in events(server)))
        run(own_clicks, "materialize", "fresh")
        wait_until(lambda: any(event["event"] == "view_served" for event in events(server)))
        found = [event["event"] for event in events(server) if event.get("event", "").startswith("view_")]
        assert found == ["view_waiting", "view_served"]


def test_each_request_is_a_line_where_that_is_asked_for(clicks):
    with running(clicks, "--access-log") as server:
        web.get(f"{server.url}/health", timeout=20)
        wait_until(lambda: '"GET /health HTTP/1.1" 200' in server.log.read_text())
        assert server.stop() == 0
    asked = [line for line in server.log.read_text().splitlines() if "/health" in line]
    assert re.fullmatch(r'\S+Z info request \[\d+\]: 127\.0\.0\.1:\d+ - "GET /health HTTP/1.1" 200', asked[0])


@pytest.mark.long
def test_a_server_whose_log_nobody_reads_any_more_goes_on(own_clicks):
    run(own_clicks, "train", "click", "--again")
    read, write = os.pipe()
    command = [sys.executable, "-m", "featurectl", "serve", "-C", str(own_clicks), "--reload", "0.1", "--drain", "0s"]
    port = free_port()
    with os.fdopen(write, "wb") as log, subprocess.Popen([*command, "--port", str(port)], stderr=log) as process:
        try:
            wait_until(lambda: os.read(read, 1 << 16).find(b" serving ") > 0)
            os.close(read)
            run(own_clicks, "models", "promote", "click@2")
            wait_until(lambda: served_champion(port) == 2)
            assert web.get(f"http://127.0.0.1:{port}/ready", timeout=20).json()["warnings"] == []
        finally:
            process.terminate()
        assert process.wait(START_LIMIT_S) == 0


def served_champion(port: int) -> int:
    told = web.get(f"http://127.0.0.1:{port}/v1/models", timeout=20).json()
    return told["models"][0]["aliases"]["champion"]
