"""The reader of the prediction log: which files it finds, which of them it reads together, and a torn one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.language.repo import Environment
from featurectl.operations.prediction_log.log_files import (
    LogFile,
    PredictionLogFiles,
    cut_batches,
    read_batches,
    read_rows,
    require_sample,
)

AT = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEMA = {"n": pl.Int64(), "more": pl.String()}


def write(folder, version, written, rows=(1,)):
    place = folder / f"v{version}" / written
    place.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"n": list(rows), "other": 1.5}, schema_overrides={"n": pl.Int64}).write_parquet(place)


def found(folder, *window, versions=None):
    return [(file.version, file.written) for file in PredictionLogFiles(f"{folder}/").files(versions, *window)]


def test_versions_are_those_of_folders_that_are_called_so(tmp_path):
    assert PredictionLogFiles(str(tmp_path / "none")).versions() == []
    for name in ("v10", "v2", "v02", "v0", "v", "2", "v3x"):
        (tmp_path / name).mkdir()
    (tmp_path / "v4").touch()
    assert PredictionLogFiles(str(tmp_path)).versions() == [2, 10]


def test_files_are_found_by_their_time_of_writing_with_an_hour_to_spare(tmp_path):
    names = ["2026-11-24/232959-a.parquet", "2026-11-24/233001-a.parquet", "2026-11-25/013000-a.parquet",
             "2026-11-25/013001-a.parquet", "2026-11-26/000000-a.parquet"]  # fmt: skip
    for number, name in enumerate(names):
        write(tmp_path, 1 + number % 2, name)
    for name in (".232959-b.parquet.part", "233005.txt", "below/233005-a.parquet"):
        write(tmp_path, 1, f"2026-11-24/{name}")
    write(tmp_path, 1, "elsewhere/233005-a.parquet")
    every = [(1, names[0]), (2, names[1]), (1, names[2]), (2, names[3]), (1, names[4])]
    assert found(tmp_path) == every
    assert found(tmp_path, AT) == every[1:]
    assert found(tmp_path, AT, AT) == every[1:3]
    assert found(tmp_path, None, AT) == every[:3]
    assert found(tmp_path, AT, versions=[2, 7]) == [every[1], every[3]]
    assert found(tmp_path, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)) == every


def test_files_are_read_together_as_long_as_they_are_few_and_small():
    file = LogFile(version=1, written="", path="", size=1)
    assert [len(some) for some in cut_batches([file] * 40)] == [16, 16, 8]
    sizes = [1 << 20, 1 << 20, 1, 5 << 20, 5 << 20, 1 << 20]
    assert [len(some) for some in cut_batches([replace(file, size=size) for size in sizes])] == [2, 1, 1, 1, 1]
    assert list(cut_batches([])) == []


def test_a_column_that_a_file_lacks_is_null_and_one_more_is_not_read(tmp_path):
    for number in range(20):
        write(tmp_path, 1, f"2026-11-25/{number:06}-a.parquet", [number])
    files = PredictionLogFiles(str(tmp_path)).files()
    frames = list(read_batches(files, SCHEMA, lambda rows: rows.filter(pl.col("n") > 1)))
    assert [frame.height for frame in frames] == [14, 4]
    assert pl.concat(frames).rows() == [(number, None) for number in range(2, 20)]
    assert read_rows([], SCHEMA, lambda rows: rows).schema == pl.Schema(SCHEMA)


def test_the_one_of_many_files_that_is_torn_is_named(tmp_path):
    for number in range(20):
        write(tmp_path, 1, f"2026-11-25/{number:06}-a.parquet")
    torn = tmp_path / "v1" / "2026-11-25" / "000011-a.parquet"
    torn.write_bytes(torn.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"the prediction log can't be read: 000011-a\.parquet: ") as caught:
        list(read_batches(PredictionLogFiles(str(tmp_path)).files(), SCHEMA, lambda rows: rows))
    assert caught.value.code == "FC603"
    named = f"{tmp_path.name}/v1/2026-11-25/000011-a.parquet"  # the folder of a log is called as its model
    assert caught.value.hint == f"move {named} out of the log to go on without its rows"


@pytest.mark.parametrize("sample", [None, 0.0])
def test_an_environment_without_a_log_is_refused(sample):
    environment = Environment(name="dev", registry="r", offline="o", online="n", prediction_sample=sample)
    with pytest.raises(UsageError, match="environment dev has no prediction log, which a test is made of") as caught:
        require_sample(environment, "which a test is made of", ", or none")
    assert caught.value.hint == "prediction_log: {sample: 0.01} in featurectl.yaml, or none"
    assert require_sample(replace(environment, prediction_sample=0.5), "") == 0.5
