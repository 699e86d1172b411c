"""What `materialize` and `push` leave on record, and what `status --checks` makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.monitor.alerts.workspace_metrics import WorkspaceMetrics
from featurectl.offline.process import Process
from featurectl.offline.runs import begun, read_runs, write_run
from featurectl.workspace.open import open_workspace
from tests.cli.golden import assert_golden
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: rows
    path: rows.csv
    event_time: at
    columns: {k: string, at: timestamp, v: float64}
    checks: [{column: v, between: [0, 10], severity: warn}, {column: k, not_null: true}]
feature_views:
  - name: values
    entity: key
    source: rows
    features: [v]
    checks: [{row_count: [1, 3]}]
"""
FIRST = "k,at,v\na,2026-01-01T00:00:00Z,1\nb,2026-01-02T00:00:00Z,2\n"
SINCE = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "rows.csv": FIRST}.items():
        (tmp_path / name).write_text(text)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    return tmp_path


def runs():
    return list(read_runs("off", "shop", "dev", SINCE))


def run(*words, day):
    return main([*words, "-q", "--as-of", f"2026-01-{day:02}T00:00:00Z"])


def grow(rows):
    with Path("rows.csv").open("a") as file:
        file.write(rows)


@pytest.mark.usefixtures("shop", "capsys")
def test_each_run_leaves_a_record_failed_ones_too():
    assert run("materialize", day=3) == 0
    grow("c,2026-01-03T10:00:00Z,much\n")
    assert run("materialize", day=4) == 1
    assert run("push", day=5) == 0
    assert run("push", "--dry-run", day=5) == 0
    assert [(r.command, r.label, r.action, r.rows, r.error_code, r.now.day, len(r.checks)) for r in runs()] == [
        ("materialize", "values@1", "first", 2, "", 3, 3),
        ("materialize", "values@1", "", 0, "FC504", 4, 0),
        ("push", "values@1", "push", 0, "", 5, 0),
    ]
    assert "column 'v' has 1 value" in runs()[1].error


@pytest.mark.usefixtures("shop")
def test_a_view_whose_last_run_has_failed_is_an_error_in_status(capsys):
    def status(hour):
        capsys.readouterr()
        return main(["status", "-o", "json", "--as-of", f"2026-01-04T{hour:02}:00:00Z"]), json.loads(
            capsys.readouterr().out
        )

    assert run("materialize", day=3) == 0
    [before] = [row for row in status(1)[1]["result"]["rows"] if row["name"] == "values"]
    assert (before["state"], before["failed_run"]) == ("OK", None)
    rows = Path("rows.csv").read_text()
    grow("c,2026-01-03T10:00:00Z,much\n")
    assert run("materialize", day=4) == 1
    code, document = status(1)
    [row] = [row for row in document["result"]["rows"] if row["name"] == "values"]
    said = "materialize has failed since 2026-01-04 00:00 (FC504): featurectl why values"
    assert (code, row["state"], row["failed_run"], row["rows"]) == (1, "ERROR", said, before["rows"])
    assert main(["status", "-q", "--as-of", "2026-01-04T01:00:00Z"]) == 1
    assert said in capsys.readouterr().out
    Path("rows.csv").write_text(rows)
    assert main(["materialize", "-q", "--as-of", "2026-01-04T02:00:00Z"]) == 0
    assert status(3)[0] == 0


@pytest.mark.usefixtures("shop")
def test_a_view_whose_first_run_has_failed_says_so_in_status(capsys):
    Path("rows.csv").write_text(FIRST + "c,2026-01-02T10:00:00Z,much\n")
    assert run("materialize", day=3) == 1
    capsys.readouterr()
    assert run("status", day=4) == 1
    failed = "materialize has failed since 2026-01-03 00:00 (FC504): featurectl why values"
    shown = capsys.readouterr().out
    assert f"not materialized yet, {failed}" in shown
    assert "Next:" not in shown
    assert main(["status", "-o", "json", "--as-of", "2026-01-04"]) == 1
    [row] = json.loads(capsys.readouterr().out)["result"]["rows"]
    assert (row["state"], row["error"], row["failed_run"], row["note"]) == (
        "ERROR",
        "not materialized yet",
        failed,
        None,
    )


@pytest.mark.usefixtures("shop")
def test_checks_have_a_history_with_the_run_that_one_of_them_failed(capsys):
    assert run("materialize", day=3) == 0
    grow("c,2026-01-03T10:00:00Z,77\n")
    assert run("materialize", day=4) == 0  # v is only warned of
    grow("".join(f"d,2026-01-04T10:00:0{n}Z,1\n" for n in range(4)))
    assert run("materialize", day=5) == 1
    capsys.readouterr()
    assert main(["status", "--checks", "-v", "--as-of", "2026-01-06"]) == 1
    assert_golden("status_checks.txt", capsys.readouterr().out)
    assert main(["status", "--checks", "--as-of", "2026-01-04T12:00:00Z", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]["checks"]
    assert [(c["of"], c["check"], c["passed"], [r["passed"] for r in c["results"]]) for c in found] == [
        ("feature view values", "row_count at least 1 and at most 3", True, [True, True]),
        ("source rows", "v between 0 and 10", False, [True, False]),
        ("source rows", "k not_null", True, [True, True]),
    ]
    assert main(["status", "--checks", "-q", "--as-of", "2026-06-01"]) == 0  # nothing in 30 days
    assert "3 with no result on record" in capsys.readouterr().out


@pytest.mark.usefixtures("shop")
def test_a_check_that_is_gone_is_not_told(capsys):
    grow("c,2026-01-03T10:00:00Z,\n" * 3)
    assert run("materialize", day=4) == 1
    Path("o.yaml").write_text(OBJECTS.replace("    checks: [{row_count: [1, 3]}]\n", ""))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    assert main(["status", "--checks", "-q", "--as-of", "2026-01-06"]) == 0
    assert "row_count" not in capsys.readouterr().out


ALERTS = """
notifiers: [{name: file, command: "tee -a told.jsonl"}]
alerts:
  - {name: wrong, when: checks > 0, severity: warning, notify: [file]}
  - {name: broken, when: pipeline_failures > 0, severity: critical, notify: [file]}
"""


@pytest.mark.long
def test_alerts_fire_for_checks_reported_as_failed_and_for_failed_runs(shop, capsys):
    (shop / "alerts.yaml").write_text(ALERTS)
    (shop / "o.yaml").write_text(OBJECTS.replace("[1, 3]", "[1, 9]"))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    grow("c,2026-01-02T10:00:00Z,99\n")
    assert run("materialize", day=3) == 0
    assert main(["materialize", "-q", "--as-of", "2026-01-03T01:00:00Z"]) == 0  # nothing new to look at
    capsys.readouterr()
    assert main(["status", "--checks", "-q", "--as-of", "2026-01-03T02:00:00Z", "-o", "json"]) == 0
    checks = json.loads(capsys.readouterr().out)["result"]["checks"]
    assert [check["passed"] for check in checks if check["severity"] == "warn"] == [False]
    assert alerts_at("2026-01-03T02:00:00Z", capsys)["wrong"]["state"] == "firing"

    grow("d,2026-01-03T10:00:00Z,1\nd,2026-01-03T11:00:00Z,much\n")
    assert run("materialize", day=4) == 1
    found = alerts_at("2026-01-04T00:00:00Z", capsys)
    assert found["broken"]["state"] == "firing"
    assert found["broken"]["cause"].startswith("1 of 2 runs failed; the last: materialize of values@1 as of 2026-01-04")
    assert alerts_at("2026-01-05T12:00:00Z", capsys)["broken"]["state"] == "firing"  # nothing has run since
    Path("rows.csv").write_text(Path("rows.csv").read_text().replace("much", "2"))
    assert run("materialize", day=6) == 0
    assert alerts_at("2026-01-06T00:00:00Z", capsys)["broken"]["state"] == "resolved"


def alerts_at(as_of, capsys):
    capsys.readouterr()
    main(["monitor", "check", "-o", "json", "-q", "--as-of", as_of])
    return {row["alert"]: row for row in json.loads(capsys.readouterr().out)["result"]["alerts"]}


def test_a_record_that_cannot_be_written_is_a_warning_and_the_run_is_done(shop, capsys):
    (shop / "off" / "shop").mkdir(parents=True)
    (shop / "off" / "shop" / "runs").write_text("in the way")
    assert main(["materialize", "--as-of", "2026-01-03"]) == 0
    told = capsys.readouterr()
    assert "1 of 1 table changed" in told.out
    assert "warning: the record of values@1 can't be written: " in told.err
    assert runs() == []


@pytest.mark.usefixtures("shop")
def test_the_clock_of_a_record_is_the_real_one():
    before = datetime.now(UTC)
    assert run("materialize", day=3) == 0
    (record,) = runs()
    assert before <= record.at <= datetime.now(UTC) + timedelta(seconds=1)
    assert record.now == datetime(2026, 1, 3, tzinfo=UTC)


TRANSFORM = """
import os

import polars as pl


def values(rows):
    if rows.collect().height > 1:
        os.kill(os.getpid(), 9)
    return rows.select("k", event_time="at", available_at="at", v="v")
"""


@pytest.mark.long
@pytest.mark.usefixtures("shop")
def test_a_run_that_is_killed_is_on_record_as_such_until_one_is_done(capsys):
    Path("t.py").write_text(TRANSFORM)
    view = (
        "  - {name: made, entity: key, source: rows, transform: 't.py:values', features: [{name: v, type: float64}]}\n"
    )
    Path("o.yaml").write_text(OBJECTS + view)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    words = ["materialize", "made", "--as-of", "2026-01-03T00:00:00Z"]
    command = [sys.executable, "-m", "featurectl", *words]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    [killed] = runs()
    assert (killed.done, killed.state, killed.command, killed.label) == (False, "ended", "materialize", "made@1")
    assert len(list(Path("off/shop/runs/dev/2026-01-03").iterdir())) == 1
    capsys.readouterr()
    assert main(["why", "made", "-q", "--as-of", "2026-01-03T01:00:00Z"]) == 1
    told = capsys.readouterr().out
    assert "cause: materialize has failed since 2026-01-03 00:00: killed: process " in told
    main(["status", "-v", "--as-of", "2026-01-03T01:00:00Z"])
    assert "\nlast run not done  run          as of             what became of it\nmade@1  " in capsys.readouterr().out
    Path("rows.csv").write_text(FIRST.rpartition("b,")[0])
    assert main([*words, "-q"]) == 0
    assert [(run.done, bool(run.error)) for run in runs()] == [(False, True), (True, False)]
    capsys.readouterr()
    assert main(["why", "made", "-q", "--as-of", "2026-01-03T01:00:00Z"]) == 0


@pytest.mark.usefixtures("shop")
def test_a_run_that_still_goes_on_has_not_failed(capsys):
    assert run("materialize", day=3) == 0
    [done] = runs()
    write_run("off", "shop", replace(begun(done), action="", rows=0, now=done.now + timedelta(minutes=5)))
    far = Process(host="far", pid=7)
    later = replace(begun(done), now=done.now + timedelta(minutes=6), command="push", process=far, at=datetime.now(UTC))
    write_run("off", "shop", later)
    assert runs() == [done]
    capsys.readouterr()
    assert main(["status", "-v", "-q", "--as-of", "2026-01-03T01:00:00Z"]) == 0
    told = capsys.readouterr().out
    assert "values@1           materialize  2026-01-03 00:05  running since 20" in told
    assert "values@1           push         2026-01-03 00:06  killed or still running since 20" in told
    assert main(["why", "values", "-q", "--as-of", "2026-01-03T01:00:00Z"]) == 0
    told = capsys.readouterr().out
    assert "nothing is wrong" in told
    assert ", process 7 on far" in told
    main(["status", "-o", "json", "--as-of", "2026-01-03T01:00:00Z"])
    result = json.loads(capsys.readouterr().out)["result"]["runs_not_done"]
    assert [(item["command"], item["state"], item["error"]) for item in result] == [
        ("materialize", "running", None),
        ("push", "unseen", None),
    ]


@pytest.mark.usefixtures("shop")
def test_an_interrupted_run_has_failed(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("featurectl.online.sqlite.store.SqliteStore.read_push_record", interrupt)
    assert run("materialize", day=3) == 130
    [record] = runs()
    assert (record.done, record.error) == (False, "interrupted")


def test_records_that_cannot_be_read_leave_the_rest_of_what_is_shown(shop, capsys):
    assert run("materialize", day=3) == 0
    folder = Path("off/shop/runs/dev")
    shutil.rmtree(folder)
    folder.symlink_to("dev")  # a folder that is itself: nobody can list it
    capsys.readouterr()
    assert main(["status", "-v", "--as-of", "2026-01-03"]) == 0
    assert "\n\nruns: shop/runs/dev can't be listed: " in capsys.readouterr().out
    assert main(["why", "values", "--as-of", "2026-01-03"]) == 0
    assert "\n\nruns: shop/runs/dev can't be listed: " in capsys.readouterr().out
    assert main(["status", "--checks", "--as-of", "2026-01-03"]) == 69
    assert main(["monitor", "export", "--as-of", "2026-01-03", "--textfile", "x.prom"]) == 0
    assert 'featurectl_up{environment="dev",project="shop"} 1.0' in Path("x.prom").read_text()
    with open_workspace(shop, None, datetime(2026, 1, 9, tzinfo=UTC), "unread") as workspace:
        world = WorkspaceMetrics(workspace, workspace.state())
        [aged] = world.ages(world.views())
        behind = world.behind(aged)
        assert (behind.name, behind.text.startswith("source rows has had nothing new for 7 d")) == ("source:rows", True)


@pytest.mark.usefixtures("shop")
@pytest.mark.long
def test_runs_and_checks_are_on_record_in_an_object_store(s3, capsys):
    Path("featurectl.yaml").write_text(PROJECT.replace("offline: off", f"offline: {s3.location()}"))
    assert run("materialize", day=3) == 0
    grow("c,2026-01-03T10:00:00Z,77\n")
    assert run("materialize", day=4) == 0
    capsys.readouterr()
    assert main(["status", "--checks", "-q", "--as-of", "2026-01-06"]) == 0
    assert "source rows          v between 0 and 10" in (told := capsys.readouterr().out)
    assert "1 of 3       2026-01-04 00:00  .F\n" in told
    assert main(["why", "values", "--as-of", "2026-01-04"]) == 1
    assert 'cause: check "v between 0 and 10" of source rows failed 2026-01-04 00:00' in capsys.readouterr().out
    assert list(Path("off").iterdir()) == []
