"""Artifacts are named by their digest and checked before anyone parses them."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.models.artifact import read_artifact, write_artifact
from featurectl.offline.open_plain_files import open_loose


@pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def location(request, tmp_path):
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue(request.param).location()


def test_equal_bytes_are_one_file(tmp_path):
    first = write_artifact(str(tmp_path), "m", "txt", b"tree")
    assert write_artifact(str(tmp_path), "m", "txt", b"tree") == first
    assert first.size_bytes == 4
    assert [p.name for p in (tmp_path / "models" / "m").iterdir()] == [f"{first.sha256}.txt"]
    assert read_artifact(str(tmp_path), first.path, first.sha256) == b"tree"


def test_an_artifact_is_read_where_it_was_written(location):
    made = write_artifact(location, "m", "txt", b"tree")
    assert made.path == f"models/m/{made.sha256}.txt"
    assert read_artifact(location, made.path, made.sha256) == b"tree"


def test_a_file_that_is_used_again_is_young_again(location):
    made = write_artifact(location, "m", "txt", b"tree")
    files, begin = open_loose(location), datetime.now(UTC)
    if "://" in location:
        before = files.written(made.path)
        assert begin - timedelta(minutes=1) < before < begin + timedelta(minutes=1)
        while files.written(made.path) == before:  # an object store counts seconds
            write_artifact(location, "m", "txt", b"tree")
    else:
        os.utime(f"{location}/{made.path}", (0, 0))
        assert files.written(made.path) == datetime(1970, 1, 1, tzinfo=UTC)
        write_artifact(location, "m", "txt", b"tree")
        assert files.written(made.path) > begin - timedelta(minutes=1)
    assert files.written("models/m/none.txt") is None


def test_a_changed_file_is_refused(location):
    made = write_artifact(location, "m", "txt", b"tree")
    open_loose(location).write(made.path, b"other")
    with pytest.raises(DataError, match="not the file that was registered"):
        read_artifact(location, made.path, made.sha256)


def test_a_changed_file_is_mended_when_the_same_is_written_again(location):
    made = write_artifact(location, "m", "txt", b"tree")
    open_loose(location).write(made.path, b"tre")
    assert write_artifact(location, "m", "txt", b"tree") == made
    assert read_artifact(location, made.path, made.sha256) == b"tree"


def test_a_file_that_is_gone_is_named(location):
    with pytest.raises(DataError, match=r"models/m/x\.txt is gone") as caught:
        read_artifact(location, "models/m/x.txt", "0")
    assert caught.value.code == "FC512"


@pytest.mark.parametrize("path", ["models/../m.txt", "../models/m.txt", "m.txt", "/models/m.txt"])
def test_nothing_is_read_outside_of_models(location, path):
    with pytest.raises(DataError, match="lies outside of `models`"):
        read_artifact(location, path, "0")


def test_an_object_store_that_refuses_is_a_store_error(bucket, monkeypatch):
    monkeypatch.setenv(*bucket.wrong_key)
    with pytest.raises(StoreError, match=rf"^model artifact models/m/\w+\.txt can't be written: .*{bucket.refused}"):
        write_artifact(bucket.location(), "m", "txt", b"tree")


def test_a_location_that_can_not_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written"):
        write_artifact(str(tmp_path / "file"), "m", "txt", b"tree")


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

    monkeypatch.setattr("featurectl.offline.folder.os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_artifact(str(tmp_path), "m", "txt", b"model")
    assert list((tmp_path / "models" / "m").iterdir()) == []
