"""Records of runs: whole documents, read back as they were written, whatever lies beside them."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.core.errors import StoreError
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.process import Process, this_process
from featurectl.offline.runs import CheckRecord, RunRecord, begun, read_runs, write_run

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
RUN = RunRecord(
    at=datetime(2026, 11, 1, 3, 4, 5, 678, tzinfo=UTC),
    now=NOW,
    environment="dev",
    command="materialize",
    view="spend",
    version=2,
    action="append",
    rows=12,
    seconds=0.5,
    checks=(CheckRecord(source_or_view="source s", check="a unique", severity="warn", failed=1, rows=3, passed=False),),
    gaps=(("2026-11-01T03:00:00Z", "2026-11-01T03:00:05Z"),),
)


@pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def location(request, tmp_path):
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue(request.param).location()


def read(folder, since=NOW - timedelta(days=1), environment="dev"):
    return list(read_runs(str(folder), "shop", environment, since))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.text(max_size=50), st.text(max_size=20), st.floats(0, 1e6), st.integers(0, 1 << 62))
def test_a_record_is_read_back_as_it_was_written(tmp_path_factory, error, check, seconds, rows):
    folder = tmp_path_factory.mktemp("runs")
    checks = (replace(RUN.checks[0], check=check, rows=rows),)
    record = replace(RUN, error=error.encode("utf-8", "replace").decode(), seconds=seconds, rows=rows, checks=checks)
    write_run(str(folder), "shop", record)
    assert read(folder) == [record]


def test_records_come_by_their_now_then_by_the_clock(location):
    late = replace(RUN, now=NOW + timedelta(hours=1), at=RUN.at - timedelta(days=1))
    second = replace(RUN, at=RUN.at + timedelta(hours=22))  # past midnight
    for record in (late, second, RUN):
        write_run(location, "shop", record)
    assert read(location) == [RUN, second, late]
    assert read(location, since=NOW + timedelta(minutes=1)) == [late]
    assert read(location, environment="prod") == []


def test_what_is_no_record_is_passed_over(tmp_path):
    write_run(str(tmp_path), "shop", RUN)
    (folder,) = (tmp_path / "shop" / "runs" / "dev").iterdir()
    (whole,) = folder.iterdir()
    document = json.loads(whole.read_text())
    (folder / "later.json").write_text(json.dumps(document | {"new": 1, "view": "of a later version"}))
    (folder / ".x.json.part").write_text("{")
    for name, text in {"cut": whole.read_text()[:50], "list": "[]", "empty": "", "no": "{}"}.items():
        (folder / f"{name}.json").write_text(text)
    (folder / "when.json").write_text(json.dumps(document | {"at": "yesterday"}))
    (folder.parent / "notes").mkdir()
    assert [record.view for record in read(tmp_path)] == ["spend", "of a later version"]


@pytest.mark.parametrize(
    "change",
    [
        {"rows": "many"}, {"rows": True}, {"rows": 1 << 70}, {"seconds": float("inf")}, {"seconds": -1}, {"view": {}},
        {"state": "gone"}, {"error": None}, {"checks": [{"check": 1}]}, {"checks": 7},
        {"process": {"host": 1, "pid": 2}},
    ],
    ids=str,
)  # fmt: skip
def test_a_document_of_other_types_is_no_record(tmp_path, change):
    write_run(str(tmp_path), "shop", RUN)
    (written,) = tmp_path.rglob("*.json")
    written.with_name("other.json").write_text(json.dumps(json.loads(written.read_text()) | change))
    assert read(tmp_path) == [RUN]


def test_a_document_without_end_keeps_no_record_from_being_read(location):
    write_run(location, "shop", RUN)
    files = open_loose(location)
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    for name, content in {"deep": deep, "wide": b" " * (5 << 20) + b"{}", "number": b"9" * 5_000}.items():
        files.write(f"shop/runs/dev/2026-01-10/{name}.json", content)
    assert read(location) == [RUN]


def test_a_long_error_is_cut_and_its_run_is_known(tmp_path):
    write_run(str(tmp_path), "shop", replace(RUN, error="x" * (5 << 20)))
    assert [len(record.error) for record in read(tmp_path)] == [10_000]


def test_many_that_write_at_one_instant_lose_nothing(tmp_path):
    def write():
        for _ in range(20):
            write_run(str(tmp_path), "shop", RUN)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(tmp_path) == [RUN] * 80


def test_records_of_ninety_days_ago_go_when_a_day_begins(location):
    old, kept = replace(RUN, now=NOW - timedelta(days=91)), replace(RUN, now=NOW - timedelta(days=89))
    for record in (old, kept):
        write_run(location, "shop", record)
    write_run(location, "shop", RUN)
    assert read(location, since=old.now) == [old, kept, RUN]  # `now` was given: nothing is forgotten
    tomorrow = replace(RUN, now=NOW + timedelta(days=1))
    write_run(location, "shop", tomorrow, forget=True)
    assert read(location, since=old.now) == [kept, RUN, tomorrow]


def test_a_run_has_one_record_in_which_its_end_replaces_its_begin(location):
    name = write_run(location, "shop", begun(RUN))
    assert read(location) == []
    [running] = read_runs(location, "shop", "dev", NOW, unended=True)
    assert (running.state, running.process, running.done, running.error) == ("running", this_process(), False, "")
    write_run(location, "shop", replace(RUN, at=RUN.at + timedelta(hours=3)), name=name)
    assert read(location) == [replace(RUN, at=RUN.at + timedelta(hours=3))]


def written_by(location, process, at=RUN.at):
    """The record of a run that another process has begun."""
    write_run(location, "shop", replace(begun(RUN), process=process, at=at, action=""))


def test_a_run_whose_process_is_gone_was_killed(tmp_path):
    for other in ({"pid": 1, "began": "1"}, {"boot": "before"}):
        written_by(str(tmp_path), replace(this_process(), **other))
    with subprocess.Popen(["sleep", "0"]) as ended:
        ended.wait()
    written_by(str(tmp_path), replace(this_process(), pid=ended.pid, began="1"))
    found = read(tmp_path)
    assert [(record.state, record.done, record.action) for record in found] == [("ended", False, "")] * 3
    host = this_process().host
    assert f"killed: process 1 on {host}, begun 2026-11-01 03:04, has recorded no end" in {r.error for r in found}


def test_a_run_elsewhere_without_an_end_may_run_and_is_killed_after_a_day(tmp_path):
    written_by(str(tmp_path), Process(host="far", pid=7), at=datetime.now(UTC) - timedelta(hours=23))
    assert read(tmp_path) == []
    assert [r.state for r in read_runs(str(tmp_path), "shop", "dev", NOW, unended=True)] == ["unseen"]
    written_by(str(tmp_path), Process(host="far", pid=8), at=datetime.now(UTC) - timedelta(hours=25))
    [killed] = read(tmp_path)
    assert (killed.state, killed.error[:24]) == ("ended", "killed: process 8 on far")


def test_a_record_that_changes_is_read_again(location):
    write_run(location, "shop", RUN)
    assert read(location) == [RUN]
    name = write_run(location, "shop", replace(RUN, view="other"))
    assert sorted(r.view for r in read(location)) == ["other", "spend"]
    write_run(location, "shop", replace(RUN, view="changed"), name=name)
    assert sorted(r.view for r in read(location)) == ["changed", "spend"]


def test_records_are_read_while_another_thread_makes_room_in_what_is_known(tmp_path, monkeypatch):
    class Forgotten(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            self.clear()  # as another thread does right then

    write_run(str(tmp_path), "shop", RUN)
    monkeypatch.setattr("featurectl.offline.runs._READ", Forgotten())
    assert read(tmp_path) == [RUN]


def test_records_in_an_object_store_that_is_gone_are_an_error(bucket):
    for ask in (
        lambda: read_runs(bucket.absent, "shop", "dev", NOW),
        lambda: write_run(bucket.absent, "shop", RUN),
    ):
        with pytest.raises(StoreError, match=bucket.not_there):
            ask()


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(StoreError, match="the offline folder is not there"):
        write_run(str(tmp_path / "disk"), "shop", RUN)
    assert list(tmp_path.iterdir()) == []
