"""Records of runs: whole documents, read back as they were written, whatever lies beside them."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.offline.runs import CheckRecord, RunRecord, read_runs, write_run

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
)


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


def test_records_come_by_their_now_then_by_the_clock(tmp_path):
    late = replace(RUN, now=NOW + timedelta(hours=1), at=RUN.at - timedelta(days=1))
    second = replace(RUN, at=RUN.at + timedelta(hours=22))  # past midnight
    for record in (late, second, RUN):
        write_run(str(tmp_path), "shop", record)
    assert read(tmp_path) == [RUN, second, late]
    assert read(tmp_path, since=NOW + timedelta(minutes=1)) == [late]
    assert read(tmp_path, environment="prod") == []


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


def test_records_of_ninety_days_ago_go_when_a_day_begins(tmp_path):
    old, kept = replace(RUN, now=NOW - timedelta(days=91)), replace(RUN, now=NOW - timedelta(days=89))
    for record in (old, kept):
        write_run(str(tmp_path), "shop", record)
    write_run(str(tmp_path), "shop", RUN)
    assert read(tmp_path, since=old.now) == [old, kept, RUN]  # `now` was given: nothing is forgotten
    tomorrow = replace(RUN, now=NOW + timedelta(days=1))
    write_run(str(tmp_path), "shop", tomorrow, forget=True)
    assert read(tmp_path, since=old.now) == [kept, RUN, tomorrow]


def test_an_object_store_keeps_none(tmp_path):
    write_run("s3://bucket/folder", "shop", RUN)
    assert read_runs("s3://bucket/folder", "shop", "dev", NOW) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError, match="the offline folder is not there"):
        write_run(str(tmp_path / "disk"), "shop", RUN)
    assert list(tmp_path.iterdir()) == []
