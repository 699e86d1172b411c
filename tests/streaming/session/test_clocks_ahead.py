"""A store whose clock is ahead: what it says of streams is never called fresh, wherever freshness is told."""

from __future__ import annotations

import json
import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

import featurectl
from featurectl.cli.main import main
from featurectl.core.units import from_us
from featurectl.monitor.alerts.stream_lags import stream_lag
from featurectl.online.future_pushes import is_ahead, tell_ahead
from featurectl.online.sqlite.stream_state import SqliteStreamState
from featurectl.online.stream_state.base import ReadingPosition, RegisterState, StreamSource
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.streaming.lag import PartitionLag, StreamLag
from featurectl.streaming.session.applied_streams import applied_streams
from featurectl.streaming.session.followed_streams import FollowedStreams
from featurectl.streaming.session.stream_watch import WatchedStream
from featurectl.streaming.session.worker_health import check_fresh, view_ages
from featurectl.streaming.session.worker_metrics import RunMetrics, render_worker_metrics
from featurectl.streaming.status.read import clock_problem
from tests.streaming.session.swipes import OBJECTS, Swipes

ALERTED = OBJECTS.replace("    aggregates:", "    freshness: {error_after: 10d}\n    aggregates:") + (
    "alerts: [{name: behind, when: stream_lag > 10d, severity: critical, notify: [file]}]\n"
    "notifiers: [{name: file, command: 'tee -a told.jsonl'}]\n"
)
AHEAD_US = 3 * 86_400_000_000
SAID = "3 d after this clock: the clock of the online store is ahead, or was"


def put_ahead(root: Path, ahead_us: int = AHEAD_US + 1_800_000_000) -> None:
    """Have the store say of all partitions that nothing came up to an instant of a clock that is ahead."""
    place = StreamSource(project="shop", env="dev", source="swipes")
    store = SqliteStreamState(root / "on.db", clock=lambda: time.time_ns() // 1_000 + ahead_us)
    with closing(store), closing(store.connect(place)) as connection:
        known = connection.register.read_state().partitions
        there = [ReadingPosition(partition=of.number, position=of.end, at_end=True) for of in known]
        assert all(connection.register.heartbeat(there))


@pytest.fixture
def ahead(tmp_path: Path) -> Swipes:
    swipes = Swipes(root=tmp_path, objects=ALERTED)
    swipes.send(1)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    put_ahead(tmp_path)
    return swipes


def run(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["-C", str(root), *words])
    found = capsys.readouterr()
    return code, " ".join((found.out + found.err).split())


def printed(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> Any:
    """The document that a command prints."""
    capsys.readouterr()
    main(["-C", str(root), *words, "-o", "json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.long
def test_get_and_status_say_that_it_is_not_fresh(ahead: Swipes, capsys: pytest.CaptureFixture[str]):
    code, said = run(capsys, ahead.root, "get", "spend", "card=c1")
    assert code == 0
    assert f"warning: view spend@1 is online as of {from_us(time.time_ns() // 1_000 + AHEAD_US):%Y-%m-%d}" in said
    assert SAID in said
    assert "stale" in said
    assert "0 s ago" not in said
    result = printed(capsys, ahead.root, "get", "spend", "card=c1")["result"]
    assert SAID in result["warnings"][0]
    assert all(of["stale"] for of in result["features"].values())
    code, said = run(capsys, ahead.root, "status")
    assert (code, SAID in said) == (1, True)
    [row] = [row for row in printed(capsys, ahead.root, "status")["result"]["rows"] if row["kind"] == "view"]
    assert (row["state"], row["age_seconds"], SAID in row["error"]) == ("ERROR", None, True)
    assert SAID in run(capsys, ahead.root, "why", "spend")[1]
    with pytest.warns(UserWarning, match=SAID):
        featurectl.open_project(ahead.root).get("spend", {"card": "c1"})


@pytest.mark.long
def test_an_alert_on_the_lag_fires(ahead: Swipes, capsys: pytest.CaptureFixture[str]):
    code, said = run(capsys, ahead.root, "monitor", "check")
    assert (code, SAID in said) == (1, True)
    told = json.loads((ahead.root / "told.jsonl").read_text().splitlines()[0])
    assert (told["measured"], told["value"]) == (None, "inf")
    with ahead.workspace() as workspace:
        state = workspace.state()
        assert stream_lag(workspace, state, applied_streams(state)["swipes"]).value == math.inf


@pytest.mark.long
def test_a_server_says_that_it_is_not_fresh(ahead: Swipes):
    settings = ServeSettings(root=str(ahead.root), timeout_s=20, store_timeout_s=10)
    with TestClient(open_app(settings)) as client:
        answer = client.post("/v1/features", json={"features": ["spend:*"], "entities": {"card": ["c1"]}}).json()
        assert all(of["stale"] for of in answer["features"].values())
        fresh = client.get("/fresh")
        assert (fresh.status_code, fresh.json()["status"]) == (503, "stale")
        assert SAID.replace("this", "this server's") in fresh.json()["problems"][0]
        assert fresh.json()["views"][0]["age_seconds"] is None
        assert client.get("/ready").status_code == 200
        found = {
            sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
            if sample.name == "featurectl_view_age_seconds"
        }
        assert found == {math.inf}


@pytest.mark.long
def test_a_worker_says_that_it_is_not_fresh(tmp_path: Path):
    swipes = Swipes(root=tmp_path, objects=ALERTED)
    with swipes.workspace() as workspace:
        stream = FollowedStreams(workspace).read()["swipes"]
    parts = [PartitionLag(partition=0, position=1, unread=0, applied_us=AHEAD_US)]
    lag = StreamLag(asof_us=AHEAD_US, partitions=parts, readable=frozenset({"spend@1"}))
    watched = {"swipes": WatchedStream(stream=stream, looked_s=5.0, lag=lag)}
    assert check_fresh(watched, AHEAD_US - 60_000_000, 6.0).problems == []
    [problem] = check_fresh(watched, 0, 6.0).problems
    assert problem == f"view spend@1 is online as of 1970-01-04 00:00, {SAID}"
    [age] = view_ages(watched["swipes"], 0)
    assert (age.age_us, age.is_readable) == (None, True)
    text = render_worker_metrics(RunMetrics(project="shop", environment="dev", reports=[], watched=watched, now_us=0))
    found = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    assert found["featurectl_stream_asof_age_seconds"] == found["featurectl_stream_lag_seconds"] == math.inf
    assert found["featurectl_stream_asof_ahead_seconds"] == 3 * 86_400
    assert found["featurectl_stream_view_readable"] == 1


@pytest.mark.parametrize(
    ("asof_s", "clock_s", "said"),
    [
        (100, 100, None),
        (160, 100, None),
        (100, 1_000, "its clock says 1970-01-01T00:16:40Z, 15 min after this one, which says 1970-01-01T00:01:40Z"),
        (-900, -900, "its clock says 1969-12-31T23:45:00Z, 16 min before this one, which says 1970-01-01T00:01:40Z"),
        (1_000, 100, "answers are as of 1970-01-01T00:16:40Z, and its clock says 1970-01-01T00:01:40Z"),
    ],
)
def test_the_status_of_a_stream_compares_three_clocks(asof_s: int, clock_s: int, said: str | None):
    register = RegisterState(
        partitions=[], asof=asof_s * 1_000_000, last=0, views={}, run="", left=0, clock_us=clock_s * 1_000_000
    )
    found = clock_problem(register, from_us(100_000_000))
    assert found is None if said is None else found is not None and found.startswith(said)
    assert clock_problem(None, from_us(0)) is None


def test_a_clock_may_be_a_minute_apart():
    assert [is_ahead(us, 0) for us in (60_000_000, 60_000_001)] == [False, True]
    assert tell_ahead(0, 0) == ""
