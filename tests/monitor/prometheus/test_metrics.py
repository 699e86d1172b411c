"""Metrics of status, runs and checks, and the endpoint that gives them."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from featurectl.cli.main import main
from featurectl.errors import StoreError
from featurectl.monitor.checks import CheckHistory, CheckResultAt
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.prometheus.endpoint import Endpoint
from featurectl.monitor.prometheus.metrics import Looked, metrics_text
from featurectl.offline.runs import CheckRecord, RunRecord
from featurectl.registry.alert_state import AlertState
from featurectl.spec.definition import Freshness
from featurectl.units import HOUR_US
from tests.cli.shop import apply_shop, materialize_shop, write_shop
from tests.monitor.prometheus.test_rules import assert_golden

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
SLA = Freshness(warn_after_us=HOUR_US, error_after_us=6 * HOUR_US)
CHECK = CheckRecord(
    source_or_view="source s", check='a matches "x\\y"', severity="warn", failed=1, rows=3, passed=False
)
RUN = RunRecord(
    at=NOW, now=NOW, environment="prod", command="materialize", view="spend", version=2, action="append", rows=12,
    seconds=0.5, checks=(CHECK,),
)  # fmt: skip
ROWS = (
    FreshnessRow(
        kind="view", name="spend", verdict="STALE", freshness=SLA, last_event=NOW - timedelta(hours=8),
        last_available=NOW - timedelta(hours=7), age_us=7 * HOUR_US, over_us=HOUR_US, version=2, rows=1_200_000,
        online_keys=84_201, computed_at=NOW - timedelta(minutes=5), entities=8, stale_entities=3,
    ),
    FreshnessRow(kind="source", name="orders", verdict="ERROR", freshness=Freshness(error_after_us=HOUR_US), error="no"),
)  # fmt: skip
LOOKED = Looked(
    project="shop",
    environment="prod",
    now=NOW,
    at=NOW,
    rows=ROWS,
    runs=(RUN, replace(RUN, command="push", error_code="FC602", error="gone", at=NOW + timedelta(seconds=9))),
    checks=(
        CheckHistory(
            of="source s",
            label=CHECK.check,
            severity="warn",
            results=(CheckResultAt(now=NOW, view="spend", version=2, result=CHECK),),
        ),
        CheckHistory(of="source s", label="never run", severity="error"),
    ),
    alerts=(
        AlertState(alert="drift", subject='model:late:"x"', severity="warning", status="resolved"),
        AlertState(alert="stale", subject="view:spend@2", severity="critical", status="firing"),
    ),
)


def values(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_those_that_promtool_has_checked():
    assert_golden("metrics.prom", metrics_text(LOOKED).decode())


def test_what_is_not_known_is_no_zero():
    names = [name for name, *labels in values(metrics_text(LOOKED).decode()) if ("name", "orders") in labels]
    assert sorted(set(names)) == ["featurectl_status_error_after_seconds", "featurectl_status_state"]
    assert names.count("featurectl_status_state") == 4


def test_a_last_run_counts_not_those_before():
    runs = (replace(RUN, error="no", error_code="FC504"), replace(RUN, at=NOW + timedelta(seconds=1), rows=1))
    found = values(metrics_text(replace(LOOKED, runs=runs)).decode())
    last = {name: value for (name, *_), value in found.items() if name.startswith("featurectl_last_run_")}
    assert last == {
        "featurectl_last_run_timestamp_seconds": NOW.timestamp() + 1,
        "featurectl_last_run_duration_seconds": 0.5,
        "featurectl_last_run_failed": 0.0,
        "featurectl_last_run_rows": 1.0,
    }


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(write_shop(tmp_path))
    apply_shop(tmp_path)
    materialize_shop(tmp_path)
    return tmp_path


def test_a_textfile_is_written_whole_and_holds_what_status_shows(shop, capsys):
    assert main(["push", "-q", "spend"]) == 0
    assert main(["monitor", "export", "-q", "--textfile", "shop.prom"]) == 0
    found = values((shop / "shop.prom").read_text())
    row = (("environment", "dev"), ("kind", "view"), ("name", "spend"), ("project", "shop"))
    assert found["featurectl_status_age_seconds", *row, ("version", "1")] == 50_400.0
    assert found["featurectl_status_online_keys", *row, ("version", "1")] == 1.0
    lost = (("environment", "dev"), ("kind", "view"), ("name", "last_order"), ("project", "shop"))
    assert found["featurectl_status_state", *lost, ("state", "ERROR"), ("version", "1")] == 1.0
    assert [path.name for path in shop.glob(".shop*")] == []


def test_an_environment_of_which_nothing_is_applied_gives_no_metrics(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_shop(tmp_path))
    assert main(["monitor", "export", "--textfile", "shop.prom"]) == 1
    assert "error: nothing is applied of project shop in dev" in capsys.readouterr().err
    assert not (tmp_path / "shop.prom").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--every", "0"], "--every 0 is no length of time"),
        (["--every", "nan"], "--every nan is no length of time"),
        (["--every", "1e300"], "--every 1e+300 is no length of time"),
        (["--port", "70000"], "--port 70000 is no port"),
        (["--textfile", "no/such/m.prom"], "--textfile no/such/m.prom can't be written"),
        (["--host", "192.0.2.1"], "192.0.2.1:9464 can't be listened on"),
    ],
)
def test_wrong_options_are_told(shop, capsys, words, told):
    assert main(["monitor", "export", "-q", *words]) == 64
    assert told in capsys.readouterr().err


def get(endpoint, path="/metrics"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}{path}", timeout=30) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read()


def test_an_endpoint_gives_the_last_look_and_fails_while_none_succeeds():
    turns, told = [b"one 1\n"], []

    def look():
        if isinstance(turns[-1], Exception):
            raise turns[-1]
        return turns[-1]

    endpoint = Endpoint(look, ("127.0.0.1", 0), told.append)
    thread = threading.Thread(target=endpoint.follow, args=(0.01,))
    thread.start()
    try:
        assert get(endpoint, "/other")[0] == 404
        for turn, code, body in (
            (b"one 1\n", 200, b"one 1\n"),
            (StoreError("gone"), 503, b"gone\n"),
            (b"two 2\n", 200, b"two 2\n"),
        ):
            turns.append(turn)
            while (found := get(endpoint))[2] != body:
                assert thread.is_alive()
            plain = "text/plain; version=0.0.4; charset=utf-8" if code == 200 else "text/plain; charset=utf-8"
            assert found == (code, plain, body)
    finally:
        endpoint.close()
        thread.join(30)
    assert not thread.is_alive()
    assert set(told) == {"gone"}
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=5)
