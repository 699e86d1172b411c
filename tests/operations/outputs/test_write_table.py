"""Results are written whole or not at all."""

import hashlib
import json
import os
import re
import socket
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from featurectl.core.errors import StoreError, UsageError
from featurectl.operations.outputs.all_output_formats import check_columns
from featurectl.operations.outputs.write_table import check_output, manifest_path, write_table, write_with_manifest

NOBODY = 2**22 + 1  # above every number that Linux gives to a process
ROWS = pl.DataFrame({"a": [1, None], "tags": [["x", "y"], None]})


def test_parquet_keeps_types_and_csv_writes_lists_as_json(tmp_path):
    write_table(ROWS, tmp_path / "o.parquet")
    assert pl.read_parquet(tmp_path / "o.parquet").equals(ROWS)
    write_table(ROWS, tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text() == 'a,tags\n1,"[""x"", ""y""]"\n,\n'
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "o.parquet"]


CLOCKS = {
    "naive": (pl.Datetime("us"), "2024-01-01T00:00:00.000000"),
    "utc_ns": (pl.Datetime("ns", "UTC"), "2024-01-01T00:00:00.000000000Z"),
    "tokyo": (pl.Datetime("ms", "Asia/Tokyo"), "2023-12-31T15:00:00.000000Z"),
    "utc": (pl.Datetime("us", "UTC"), "2024-01-01T00:00:00.000000Z"),
    "day": (pl.Date(), "2024-01-01"),
}


def test_csv_writes_clocks_whole_and_as_what_they_are(tmp_path):
    naive = pl.Series([datetime(2024, 1, 1), None])  # noqa: DTZ001  # a time without a zone is meant
    columns = {
        name: naive.cast(dtype) if isinstance(dtype, pl.Date) or not dtype.time_zone
        else naive.dt.replace_time_zone(dtype.time_zone).cast(dtype)
        for name, (dtype, _) in CLOCKS.items()
    }  # fmt: skip
    write_table(pl.DataFrame(columns), tmp_path / "o.csv")
    texts = ",".join(text for _, text in CLOCKS.values())
    assert (tmp_path / "o.csv").read_text() == f"{','.join(CLOCKS)}\n{texts}\n,,,,\n"


def test_csv_writes_items_of_lists_whole(tmp_path):
    nanos = pl.Series([[1, None], None]).cast(pl.List(pl.Datetime("ns")))
    pairs = pl.Series([[[1], []], None], dtype=pl.List(pl.List(pl.Int8)))
    times = pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)).cast(pl.Array(pl.Time, 2))
    write_table(pl.DataFrame({"n": nanos, "p": pairs, "t": times}), tmp_path / "o.csv")
    assert pl.read_csv(tmp_path / "o.csv").row(0) == (
        '["1970-01-01 00:00:00.000000001", null]', "[[1], []]", '["00:00:00.000000001", "00:00:00.000000002"]'
    )  # fmt: skip


@pytest.mark.parametrize(
    "column",
    [pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([timedelta(1)]), pl.Series([[b"x"]]), pl.Series([[{"a": 1}]]),
     pl.Series([[timedelta(1)]], dtype=pl.Array(pl.Duration, 1))],
)  # fmt: skip
def test_a_column_that_csv_can_not_hold_is_refused_before_any_write(tmp_path, column):
    rows = pl.DataFrame({"a": [1], "odd": column})
    for write in (lambda path: check_columns(rows.schema, path), lambda path: write_table(rows, path)):
        with pytest.raises(UsageError, match=r"o\.csv: column 'odd' is .*, which CSV can't hold") as caught:
            write(tmp_path / "o.csv")
        assert caught.value.hint == f"write Parquet: --out {tmp_path}/o.parquet"
    assert list(tmp_path.iterdir()) == []
    check_columns(rows.schema, tmp_path / "o.parquet")
    write_table(rows, tmp_path / "o.parquet")
    assert pl.read_parquet(tmp_path / "o.parquet").equals(rows)


@pytest.mark.parametrize("unit", ["us", "ms"])
def test_an_instant_that_no_calendar_has_ends_no_csv_half_written(tmp_path, unit):
    rows = pl.DataFrame(
        {"at": pl.Series([0, 9 * 10**15 * (1000 if unit == "us" else 1)]).cast(pl.Datetime(unit, "UTC"))}
    )
    with pytest.raises(UsageError, match=r"o\.csv can't be written: .*out-of-range"):
        write_table(rows, tmp_path / "o.csv")
    assert list(tmp_path.iterdir()) == []
    write_table(rows, tmp_path / "o.parquet")
    assert pl.read_parquet(tmp_path / "o.parquet").equals(rows)


@pytest.mark.parametrize("column", [pl.Series([{}]), pl.Series([[{}]]), pl.Series([{"a": {}}])])
@pytest.mark.parametrize("name", ["o.csv", "o.parquet", "o.delta"])
def test_a_struct_without_fields_is_refused_by_all(tmp_path, column, name):
    with pytest.raises(UsageError, match=r"column 'odd' is .*, which no output can hold"):
        check_columns(pl.DataFrame({"odd": column}).schema, tmp_path / name)


def test_equal_rows_are_equal_bytes(tmp_path):
    write_table(ROWS, tmp_path / "a.parquet")
    write_table(ROWS, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [("o.xlsx", "what format is it"), ("no/o.parquet", "does not exist"), ("folder.parquet", "is a folder"),
     ("file.delta", "is there, and no Delta table"), ("folder.delta", "is there, and no Delta table")],
)  # fmt: skip
def test_an_output_that_can_not_be_written_is_refused_before_any_work(tmp_path, name, message):
    (tmp_path / "file.delta").write_text("")
    (tmp_path / "folder.delta" / "mine").mkdir(parents=True)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(UsageError, match=message):
        check_output(tmp_path / name)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "o.parquet"
    path.write_text("old")
    broken = pl.DataFrame({"o": [object()]})
    with pytest.raises(UsageError, match=r"o\.parquet can't be written: cannot write"):
        write_table(broken, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["o.parquet"]


def pair(folder, name="o.csv"):
    """Return which generation of rows and which of manifests lies in a folder, None for none."""
    path = folder / name
    rows, data = None, path
    if path.suffix == ".delta" and path.exists():
        rows = pl.read_delta(str(path))["generation"][0]
        data = path / DeltaTable(str(path)).file_uris()[0]
    elif path.exists():
        rows = pl.read_csv(path)["generation"][0]
    if not manifest_path(path).exists():
        return rows, None
    manifest = json.loads(manifest_path(path).read_text())
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    assert manifest["file"] == {"format": path.suffix[1:], "bytes": data.stat().st_size, "sha256": digest}
    return rows, manifest["generation"]


def write_generation(folder, number, name="o.csv"):
    return write_with_manifest(pl.DataFrame({"generation": [number]}), folder / name, {"generation": number})


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Steps:
    """Counts what a program does to files, and fails at one of these steps, or at it and all after it."""

    CALLS = (
        (tempfile, "mkstemp"),
        (tempfile, "mkdtemp"),
        (os, "fsync"),
        (Path, "write_text"),
        (Path, "unlink"),
        (Path, "replace"),
    )

    def __init__(self, monkeypatch, at=None, failure=None):
        self.count, self.at, self.failure = 0, at, failure
        for owner, name in self.CALLS:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call):
        def counted(*args, **keys):
            self.count += 1
            if self.at is not None and self.count == self.at:
                raise self.failure
            if isinstance(self.failure, Killed) and self.count > self.at:
                raise self.failure
            return call(*args, **keys)

        return counted


@pytest.fixture(scope="module", params=["o.csv", "o.delta"])
def steps(request, tmp_path_factory):
    """An output, and how many steps it takes to write it and its manifest over others."""
    folder = tmp_path_factory.mktemp("steps")
    write_generation(folder, 1, request.param)
    with pytest.MonkeyPatch.context() as patch:
        counted = Steps(patch)
        write_generation(folder, 2, request.param)
    return request.param, counted.count


def test_rows_and_manifest_are_written_and_replaced_together(tmp_path, steps):
    name, count = steps
    assert count > 10
    for number in (1, 2):
        document = write_generation(tmp_path, number, name)
        assert pair(tmp_path, name) == (number, number)
        assert json.loads(manifest_path(tmp_path / name).read_text()) == document
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, f"{name}.manifest.json"]
    assert manifest_path(tmp_path / name).read_text().endswith("}\n")


def test_a_failure_at_any_step_pairs_no_rows_with_the_manifest_of_others(tmp_path, steps):
    (name, count), found = steps, set()
    for step in range(1, count + 1):
        folder = tmp_path / str(step)
        folder.mkdir()
        write_generation(folder, 1, name)
        with pytest.MonkeyPatch.context() as patch:
            Steps(patch, step, OSError(28, "No space left on device"))
            with pytest.raises(StoreError, match=rf"{name} can't be written: No space left on device"):
                write_generation(folder, 2, name)
        found.add(pair(folder, name))
    assert found <= {(1, 1), (1, None), (2, None), (2, 2)}
    assert {(1, 1), (1, None), (2, None)} <= found


@pytest.mark.parametrize("before", [None, 1])
@pytest.mark.usefixtures("monkeypatch")
@pytest.mark.sample(2)
def test_a_process_lost_at_any_step_leaves_no_rows_with_anothers_manifest(tmp_path, steps, before):
    """What it leaves beside them is gone after the next run."""
    (name, count), found = steps, set()
    for step in range(1, count + 1):
        folder = tmp_path / str(step)
        folder.mkdir()
        if before:
            write_generation(folder, before, name)
        with pytest.MonkeyPatch.context() as patch:
            Steps(patch, step, Killed())
            patch.setattr(os, "getpid", lambda: NOBODY)
            with pytest.raises(Killed):
                write_generation(folder, 2, name)
        found.add(pair(folder, name))
        write_generation(folder, 3, name)
        assert sorted(p.name for p in folder.iterdir()) == [name, f"{name}.manifest.json"]
        assert pair(folder, name) == (3, 3)
    assert found <= {(before, before), (before, None), (2, None), (2, 2)}
    assert {(before, before), (2, None), (2, 2)} <= found


def test_what_another_run_is_writing_is_left_alone(tmp_path):
    """Its process runs, its machine is another, or the name is not one that we give."""
    host = re.sub(r"\W", "_", socket.gethostname())
    names = [
        f".o.csv.{host}-{os.getpid()}-abc",
        f".o.csv.elsewhere-{NOBODY}-abc",
        ".o.csv.swp",
        f".p.csv.{host}-{NOBODY}-x",
    ]
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / f".o.csv.{host}-{NOBODY}-abc").write_text("")
    write_generation(tmp_path, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, "o.csv", "o.csv.manifest.json"])


def test_a_manifest_that_can_not_be_written_leaves_the_former_rows(tmp_path):
    write_generation(tmp_path, 1)
    manifest_path(tmp_path / "o.csv").unlink()
    manifest_path(tmp_path / "o.csv").mkdir()
    with pytest.raises(UsageError, match="can't be written"):
        write_generation(tmp_path, 2)
    assert pl.read_csv(tmp_path / "o.csv")["generation"][0] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "o.csv.manifest.json"]
