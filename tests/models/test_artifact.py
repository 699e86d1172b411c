"""Artifacts are named by their digest and checked before anyone parses them."""

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
