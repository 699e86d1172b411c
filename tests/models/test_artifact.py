"""Artifacts are named by their digest and checked before anyone parses them."""

import os

import pytest

from featurectl.errors import DataError, PlanError, StoreError
from featurectl.models.artifact import read_artifact, write_artifact


def test_equal_bytes_are_one_file(tmp_path):
    first = write_artifact(str(tmp_path), "m", "txt", b"tree")
    assert write_artifact(str(tmp_path), "m", "txt", b"tree") == first
    assert first.size_bytes == 4
    assert [p.name for p in (tmp_path / "models" / "m").iterdir()] == [f"{first.sha256}.txt"]
    assert read_artifact(str(tmp_path), first.path, first.sha256) == b"tree"


def test_a_changed_file_is_refused(tmp_path):
    made = write_artifact(str(tmp_path), "m", "txt", b"tree")
    (tmp_path / made.path).write_bytes(b"other")
    with pytest.raises(DataError, match="not the file that was registered"):
        read_artifact(str(tmp_path), made.path, made.sha256)


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(DataError, match=r"models/m/x\.txt can't be read"):
        read_artifact(str(tmp_path), "models/m/x.txt", "0")


def test_a_location_that_can_not_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written"):
        write_artifact(str(tmp_path / "file"), "m", "txt", b"tree")


def test_an_object_store_is_refused():
    with pytest.raises(PlanError, match="in an object store are not in this version"):
        write_artifact("s3://bucket", "m", "txt", b"tree")


def test_an_artifact_can_be_read_by_whom_the_umask_lets(tmp_path):
    """A server may run as another user than training did."""
    before = os.umask(0o027)
    try:
        artifact = write_artifact(str(tmp_path), "m", "txt", b"model")
    finally:
        os.umask(before)
    assert (tmp_path / artifact.path).stat().st_mode & 0o777 == 0o640


def test_nothing_is_left_of_an_artifact_that_could_not_be_written(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("featurectl.models.artifact.os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_artifact(str(tmp_path), "m", "txt", b"model")
    assert list((tmp_path / "models" / "m").iterdir()) == []
