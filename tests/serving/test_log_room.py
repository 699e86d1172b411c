"""The prediction log is bounded: while it waits in memory, and on the disk or in a bucket, by age and by bytes."""

# ruff: noqa: SLF001  # small limits, and when all is written

from __future__ import annotations

import io
import random
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.monitor.verify.log_rows import LOGGED
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.prediction_log import compaction
from featurectl.operations.prediction_log.compaction import compact_some, read_day
from featurectl.operations.prediction_log.log_files import PredictionLogFiles, read_rows
from featurectl.serving.http.bodies import MOST_TEXT
from featurectl.serving.log import parquet
from featurectl.serving.log.room import LogLimits, LogRoom
from tests.serving.clicks import request_rows, run
from tests.serving.test_prediction_log import log_of, logged
from tests.serving.trial import wait_until

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
SIZE = 1_000


def room_of(files, max_bytes=100 * SIZE, keep=timedelta(days=10)):
    return LogRoom(files, LogLimits(keep=keep, max_bytes=max_bytes), lambda: NOW)


@pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def files(request, tmp_path):
    if request.param == "folder":
        return open_loose(str(tmp_path / "log"))
    return open_loose(request.getfixturevalue(request.param).location())


def fill(files, *paths):
    for path in paths:
        files.write(path, b"x" * SIZE)


def left(files):
    return sorted(path for model in files.folders("") for path, _ in files.listed(model))


def test_files_that_are_too_old_are_removed_and_nothing_else(files):
    kept = [
        "m/v1/2026-01-21/120000-a-1-1.parquet",
        "m/v2/2026-01-31/115959-a-1-2.parquet",
        "m/v2/2026-01-31/115959-a-1-3.parquet.0a1b.part",  # it may be written at this moment
        "m/v1/notes.txt",
        "m/v1/2025-01-01/mine/old.parquet",
        "other/2025-01-01/old.parquet",
    ]
    gone = [
        "m/v1/2026-01-21/115959-a-1-1.parquet",
        "n/v1/2025-12-01/000000-b-7-1.parquet",
        "m/v2/2026-01-31/105959-a-1-4.parquet.0a1b.part",
    ]
    fill(files, *kept, *gone)
    room = room_of(files)
    removed = room.make(SIZE)
    assert (removed.files, removed.size) == (3, 3 * SIZE)
    assert left(files) == sorted(kept)
    assert room.make(SIZE).files == 0


def test_folders_of_days_in_which_nothing_is_left_go_too(tmp_path):
    files = open_loose(str(tmp_path))
    fill(files, "m/v1/2025-12-01/000000-b-7-1.parquet", "m/v1/2025-12-02/000000-b-7-1.parquet")
    fill(files, "m/v1/2025-12-02/notes.txt", "m/v1/2026-01-31/110000-b-7-1.parquet")
    room_of(files).make(SIZE)
    assert files.folders("m/v1") == ["2025-12-02", "2026-01-31"]
    assert room_of(files, max_bytes=SIZE).make(SIZE).files == 1
    assert files.folders("m/v1") == ["2025-12-02", "2026-01-31"]  # a server may be about to write into it


def test_the_oldest_files_of_all_models_are_removed_when_they_are_too_many(files):
    paths = [f"{'mn'[n % 2]}/v1/2026-01-30/1200{n:02}-a-1-1.parquet" for n in range(12)]
    fill(files, *paths)
    room = room_of(files, max_bytes=10 * SIZE)
    assert room.make(SIZE).files == 4  # two that are too many, room for one, and a tenth to spare
    assert left(files) == sorted(paths[4:])
    assert room.has_room(SIZE)
    assert not room.has_room(3 * SIZE)


def test_files_that_larger_ones_stand_for_go_before_any_row_does(tmp_path, monkeypatch):
    monkeypatch.setattr(compaction, "_FILES", 10)  # two large files
    files, folder = open_loose(str(tmp_path)), "m/v1/2026-01-30"
    numbers = random.Random(1).sample(range(2**60), 4_000)
    for n in range(20):
        content = io.BytesIO()
        pl.DataFrame({"n": numbers[n * 200 : n * 200 + 200]}).write_parquet(content)
        files.write(f"{folder}/1{n:05}-a-1-1.parquet", content.getvalue())
    before = sum(size for _, size in files.listed("m"))
    while compact_some(files, read_day(files, folder, NOW), nullcontext):
        pass
    large = [path for path in left(files) if "-since." in path]
    files.write(f"{folder}/100002-since.100000.0123456789abcdef.parquet", b"torn")
    removed = room_of(files, max_bytes=before + SIZE).make(1)
    assert 0 < removed.files < 20
    assert set(large) < set(left(files))
    files.remove_files([f"{folder}/100002-since.100000.0123456789abcdef.parquet"])
    rows = read_rows(PredictionLogFiles(str(tmp_path / "m")).files(), {"n": pl.Int64()}, lambda rows: rows)
    assert rows["n"].sort().to_list() == sorted(numbers)


def test_a_process_counts_again_when_it_has_written_a_part_of_the_limit(files):
    room = room_of(files, max_bytes=64 * SIZE)
    room.make(SIZE)
    fill(files, "m/v1/2025-01-01/000000-a-1-1.parquet")  # another process, or a clock
    room.add(SIZE)
    assert room.make(SIZE).files == 0
    room.add(SIZE)
    assert room.make(SIZE).files == 1


@pytest.fixture
def served(own_clicks, opened):
    run(own_clicks, "push", "--env", "logged")
    return own_clicks, opened(own_clicks, env="logged", timeout_s=20.0, judge_s=0.05)


def bytes_of(root: Path) -> int:
    return sum(path.stat().st_size for path in (root / "off" / "clicks" / "predictions").rglob("*") if path.is_file())


def test_a_log_never_takes_more_than_it_may_and_its_newest_rows_are_there(served):
    root, client = served
    most = 120_000
    log_of(client)._limits = LogLimits(keep=timedelta(days=30), max_bytes=most)
    removed = "featurectl_prediction_log_removed_files_total"
    for n in range(200):
        assert client.post("/v1/predict/click", json={"rows": request_rows(50, seed=n)}).status_code == 200
        told = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
        if float(told[removed]) > 3:
            break
        wait_until(lambda: log_of(client)._waiting == 0)
        assert bytes_of(root) <= most
    else:
        pytest.fail("nothing was removed")
    assert float(told["featurectl_prediction_log_bytes"]) <= most
    last = client.post("/v1/predict/click", json={"rows": request_rows(1, seed=999)}).json()
    log_of(client).close()
    newest = logged(root).sort(LOGGED)  # files of one second are in no order
    assert last["rows"][0]["score"] == newest["score"][-1]


def test_a_log_without_room_drops_rows_says_so_and_counts_them(served, capsys):
    root, client = served
    log_of(client)._limits = LogLimits(keep=timedelta(days=30), max_bytes=100)
    assert client.post("/v1/predict/click", json={"rows": request_rows(4)}).status_code == 200
    log_of(client).close()
    assert logged(root) is None
    assert 'featurectl_prediction_log_rows_total{result="dropped"} 4.0' in client.get("/metrics").text
    assert " error log_full " in capsys.readouterr().err


@pytest.mark.parametrize("merchant", ["x" * MOST_TEXT, int("9" * MOST_TEXT)])
def test_what_waits_is_bounded_in_bytes(own_clicks, opened, monkeypatch, merchant):
    monkeypatch.setattr("featurectl.serving.log.policy.LOGGED_EVERY_S", 3_600.0)  # nothing is written
    monkeypatch.setattr(parquet, "_BYTES_WAITING", 100_000)
    run(own_clicks, "push", "--env", "logged")
    client = opened(own_clicks, env="logged", timeout_s=20.0, judge_s=3_600.0)
    rows = [{**row, "merchant": merchant} for row in request_rows(10)]
    for _ in range(5):
        assert client.post("/v1/predict/click", json={"rows": rows}).status_code == 200
    told = client.get("/metrics").text
    waiting = next(line for line in told.splitlines() if line.startswith("featurectl_prediction_log_waiting_bytes "))
    assert 40_000 < float(waiting.rpartition(" ")[2]) <= 100_000
    assert 'featurectl_prediction_log_rows_total{result="dropped"} 40.0' in told


def test_a_key_that_is_too_long_is_refused_and_not_logged(served):
    root, client = served
    row = {**request_rows(1)[0], "merchant": "x" * 500_000}
    for path, body in (
        ("/v1/predict/click", {"rows": [request_rows(1)[0], row]}),
        ("/predict", row),
        ("/v1/features", {"features": ["bond:*"], "entities": {"user": [1, 1], "merchant": ["m1", row["merchant"]]}}),
    ):
        refused = client.post(path, json=body)
        assert (refused.status_code, len(refused.text) < 1_000) == (400, True), refused.text[:1_000]
        told = "merchant: 500,000 characters" + ("" if path == "/predict" else " at row 2")
        assert refused.json()["detail"] == f"{told}; at most 4,096 are allowed"
        assert refused.json()["code"] == "FC548"
    log_of(client).close()
    assert logged(root) is None


@pytest.mark.long
def test_a_file_that_a_server_removes_while_it_is_read_is_no_error(served):
    from featurectl.operations.prediction_log.log_files import PredictionLogFiles, read_rows, read_schema

    root, client = served
    log = log_of(client)
    for seed in (1, 2):
        client.post("/v1/predict/click", json={"rows": request_rows(3, seed=seed)})
        wait_until(lambda: log._waiting == 0)
    found = PredictionLogFiles(str(root / "off" / "clicks" / "predictions" / "logged" / "click")).files()
    schema = read_schema(found[0])
    Path(found[0].path).unlink()
    assert read_rows(found, schema, lambda rows: rows).height == 3
    Path(found[1].path).write_bytes(b"PAR1 no more")
    with pytest.raises(Exception, match="can't be read"):
        read_rows(found, schema, lambda rows: rows)
