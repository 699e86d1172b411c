"""Metrics of status, runs and checks, and the endpoint that gives them."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.core.units import HOUR_US
from featurectl.language.definitions.about import Freshness
from featurectl.monitor.alerts.data_metrics import FailureCount
from featurectl.monitor.checks import CheckHistory, CheckResultAt
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.prometheus.endpoint import Endpoint
from featurectl.monitor.prometheus.metrics import MetricsSnapshot, metrics_text
from featurectl.offline.runs import CheckRecord, RunRecord
from featurectl.registry.alert_state import AffectedSubject, AlertState
from tests.cli.shop import apply_shop, fill_shop, write_shop
from tests.monitor.prometheus.test_rules import assert_golden
from tests.servers.redis import free_port

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
    FreshnessRow(kind="source", name="orders", verdict="ERROR", freshness=Freshness(error_after_us=HOUR_US),
                 error="no"),
)  # fmt: skip
LOOKED = MetricsSnapshot(
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
    failing=(FailureCount(view="spend", version=2, count=1, cause="a"),),
    alerts=(
        AlertState(
            alert="drift",
            root_cause="model:late",
            subjects=(AffectedSubject(name='model:late:"x"'),),
            severity="warning",
            status="resolved",
        ),
        AlertState(
            alert="stale",
            root_cause="source:orders",
            subjects=(AffectedSubject(name="view:spend@2"),),
            severity="critical",
            status="firing",
        ),
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
    monkeypatch.chdir(fill_shop(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("capsys")
def test_a_textfile_is_written_whole_and_holds_what_status_shows(shop):
    assert main(["push", "-q", "spend"]) == 0
    assert main(["monitor", "export", "-q", "--textfile", "shop.prom"]) == 0
    found = values((shop / "shop.prom").read_text())
    row = (("environment", "dev"), ("kind", "view"), ("name", "spend"), ("project", "shop"))
    assert found["featurectl_status_age_seconds", *row, ("version", "1")] == 50_400.0
    assert found["featurectl_status_online_keys", *row, ("version", "1")] == 1.0
    lost = (("environment", "dev"), ("kind", "view"), ("name", "last_order"), ("project", "shop"))
    assert found["featurectl_status_state", *lost, ("state", "ERROR"), ("version", "1")] == 1.0
    assert [path.name for path in shop.glob(".shop*")] == []


DOWN = {("featurectl_up", ("environment", "dev"), ("project", "shop")): 0.0}


def test_an_environment_of_which_nothing_is_applied_is_down(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_shop(tmp_path))
    assert main(["monitor", "export", "--textfile", "shop.prom"]) == 1
    assert "error: nothing is applied of project shop in dev" in capsys.readouterr().err
    assert values((tmp_path / "shop.prom").read_text()) == DOWN


@pytest.mark.usefixtures("capsys")
def test_a_textfile_of_before_does_not_outlive_a_registry_that_is_gone(shop):
    words = ["monitor", "export", "-q", "--textfile", "shop.prom"]
    assert main(words) == 0
    assert values((shop / "shop.prom").read_text())[next(iter(DOWN))] == 1.0
    (shop / "r.db").write_text("no database")
    assert main(words) == 69
    assert values((shop / "shop.prom").read_text()) == DOWN


@pytest.mark.usefixtures("capsys")
def test_a_view_counts_its_failed_checks_as_alerts_do(tmp_path, monkeypatch):
    monkeypatch.chdir(write_shop(tmp_path))
    views = Path("views.yaml").read_text()
    checks = "\n    checks: [{column: amount, between: [0, 5], severity: warn}, {row_count: [0, 9]}]"
    Path("views.yaml").write_text(views.replace("event_time: ordered_at", f"event_time: ordered_at{checks}", 1))
    apply_shop(tmp_path)
    assert main(["materialize", "-q", "spend", "history"]) == 0
    assert main(["monitor", "export", "-q", "--textfile", "shop.prom"]) == 0
    found = values(Path("shop.prom").read_text())
    counts = {dict(labels)["view"]: n for (name, *labels), n in found.items() if name == "featurectl_failing_checks"}
    assert counts == {"spend": 1.0, "history": 1.0, "last_order": 1.0}  # all that read the source
    assert sum(n for (name, *_), n in found.items() if name == "featurectl_check_failed") == 1.0


def test_records_of_runs_that_can_not_be_read_are_told_and_no_zero(shop, capsys, monkeypatch):
    def gone(*_, **__):
        raise StoreError("the bucket is gone")

    monkeypatch.setattr("featurectl.offline.runs.read_runs", gone)
    assert main(["monitor", "export", "--textfile", "shop.prom"]) == 0
    assert "warning: no runs and no checks: the bucket is gone" in capsys.readouterr().err
    names = {name for name, *_ in values((shop / "shop.prom").read_text())}
    assert "featurectl_status_state" in names
    assert not {name for name in names if "run" in name or "check_failed" in name}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--every", "0"], "--every '0' is not within bounds"),
        (["--every", "nan"], "--every 'nan' is no length of time"),
        (["--every", "1e300"], "--every '1e300' is no length of time"),
        (["--textfile", "m.prom", "--every", "5"], "--host, --port and --every are of an endpoint"),
        (["--port", "70000"], "--port 70000 is not within bounds"),
        (["--textfile", "no/such/m.prom"], "--textfile no/such/m.prom can't be written"),
        (["--host", "192.0.2.1"], "192.0.2.1:9464 can't be listened on"),
    ],
)
@pytest.mark.usefixtures("shop")
@pytest.mark.sample(3)
def test_wrong_options_are_told(capsys, words, told):
    assert main(["monitor", "export", "-q", *words]) == 64
    assert told in capsys.readouterr().err


def get(endpoint, path="/metrics"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}{path}", timeout=30) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read()


def test_an_endpoint_gives_the_last_look():
    turns = [b"one 1\n"]
    endpoint = Endpoint(turns[0], lambda: turns[-1], ("127.0.0.1", 0))
    thread = threading.Thread(target=endpoint.follow, args=(0.01,))
    thread.start()
    try:
        assert get(endpoint, "/other")[0] == 404
        for turn in (b"one 1\n", b"two 2\n"):
            turns.append(turn)
            while (found := get(endpoint))[2] != turn:
                assert thread.is_alive()
            assert found == (200, "text/plain; version=0.0.4; charset=utf-8", turn)
    finally:
        endpoint.close()
        thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=60)


def test_a_client_that_goes_away_leaves_no_traceback(capsys):
    endpoint = Endpoint(b"one 1\n", lambda: b"one 1\n", ("127.0.0.1", 0))
    thread = threading.Thread(target=endpoint.follow, args=(60,))
    before = threading.active_count()
    try:
        for said in (b"", b"GET /metrics"):
            with socket.create_connection(("127.0.0.1", endpoint.port)) as client:
                client.sendall(said)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it ends in a reset
        thread.start()
        assert get(endpoint)[2] == b"one 1\n"  # taken after the others
        while threading.active_count() > before + 2:
            assert thread.is_alive()
    finally:
        endpoint.close()
        thread.join(30)
    assert capsys.readouterr().err == ""


@pytest.mark.long
def test_the_command_answers_while_the_registry_is_gone_and_says_so(shop):
    port, registry = free_port(), shop / "r.db"
    with subprocess.Popen(
        [sys.executable, "-m", "featurectl", "monitor", "export", "--port", str(port), "--every", "0.05s"],
        stderr=subprocess.PIPE, text=True, cwd=shop,
    ) as process:  # fmt: skip
        try:
            assert process.stderr.readline() == f"http://127.0.0.1:{port}/metrics\n"
            url = f"http://127.0.0.1:{port}/metrics"
            whole = registry.read_bytes()
            for content, up in ((whole, 1.0), (b"no database", 0.0), (whole, 1.0)):
                registry.write_bytes(content)
                while values(urllib.request.urlopen(url, timeout=30).read().decode())[next(iter(DOWN))] != up:
                    assert process.poll() is None
        finally:
            process.terminate()
            _, told = process.communicate(timeout=30)
    assert "warning: registry sqlite:///r.db can't be used" in told
    assert process.returncode == 0
