"""The contract of loose files, for a folder and for a real S3; and what a bucket alone can do wrong."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.offline.open_plain_files import open_loose
from tests.servers.redis import free_port

PATH = "models/m/0a.txt"


@pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def location(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "offline")
    return request.getfixturevalue(request.param).location()


@pytest.fixture
def files(location):
    return open_loose(location)


def test_what_was_written_is_read(files, location):
    assert files.read(PATH) is None
    files.write(PATH, b"tree\0\xff")
    assert files.read(PATH) == b"tree\0\xff"
    assert open_loose(location + "/").read(PATH) == b"tree\0\xff"
    assert files.read("models/m/other.txt") is None


def test_nothing_is_read_where_files_lie_below_or_above(files):
    files.write(PATH, b"tree")
    assert files.read("models/m") is None
    assert files.read(f"{PATH}/below") is None


def test_an_empty_file_is_there(files):
    files.write(PATH, b"")
    assert files.read(PATH) == b""


def test_a_file_takes_the_place_of_another(files):
    files.write(PATH, b"a longer one")
    files.write(PATH, b"short")
    assert files.read(PATH) == b"short"


def test_of_many_that_claim_a_name_at_once_one_has_it(location):
    won = []

    def claim(number):
        if open_loose(location).claim("models/m/claim", f"{number}".encode()):
            won.append(number)

    threads = [threading.Thread(target=claim, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = open_loose(location)
    assert [files.read("models/m/claim")] == [f"{number}".encode() for number in won]
    assert not files.claim("models/m/claim", b"later")
    assert [path for path, _ in files.listed("models/m")] == ["models/m/claim"]


def test_a_name_may_have_any_characters(files):
    files.write("models/größe m%20+x=1/ä é#?.txt", b"x")
    assert files.read("models/größe m%20+x=1/ä é#?.txt") == b"x"
    assert files.read("models/größe m +x=1/ä é#?.txt") is None


def test_a_file_of_many_parts_is_whole(files):
    content = os.urandom(1 << 20) * 12
    files.write(PATH, content)
    assert files.read(PATH) == content


def test_a_reader_never_sees_half_of_a_file(files, location):
    whole = [bytes([letter]) * 300_000 for letter in b"ab"]
    files.write(PATH, whole[0])
    ends = threading.Event()

    def write():
        try:
            other = open_loose(location)
            for content in whole * 10:
                other.write(PATH, content)
        finally:
            ends.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not ends.is_set():
        seen.add(files.read(PATH))
    writer.join()
    assert seen <= set(whole)


def test_folders_and_files_are_listed_by_name(files):
    paths = ["log/v1/2026-01-01/a.x", "log/v1/2026-01-02/a.x", "log/v1/2026-01-02/b.x", "log/v10/a.x", "other"]
    for path in reversed(paths):
        files.write(path, path.encode())
    assert files.folders("") == ["log"]
    assert files.folders("log") == ["v1", "v10"]
    assert files.folders("nothing") == files.folders("other") == []
    assert files.listed("log") == [(path, len(path)) for path in paths[:4]]
    assert [path for path, _ in files.listed("log/v1")] == paths[:3]
    assert files.listed("nothing") == []
    for after, count in (("2026-01-02", 2), ("2026-01-02/a.x", 1), ("2026-01-02/aa", 1), ("", 3), ("2026-01-03", 0)):
        assert len(files.listed("log/v1", f"log/v1/{after}")) == count


def test_a_bucket_that_is_not_there_is_told(bucket):
    files = open_loose(bucket.absent)
    for ask in (lambda: files.read(PATH), lambda: files.write(PATH, b"x")):
        with pytest.raises(
            StoreError, match=rf"0a\.txt can't be .*: .*does not exist \({bucket.not_there}\)$"
        ) as caught:
            ask()
        assert caught.value.code == "FC603"


@pytest.mark.parametrize("is_user", [False, True], ids=["key", "user"])
def test_wrong_credentials_are_told(monkeypatch, bucket, is_user):
    (name, value), said = (bucket.wrong_user, bucket.unknown) if is_user else (bucket.wrong_key, bucket.refused)
    monkeypatch.setenv(name, value)
    files = open_loose(bucket.location())
    for ask in (lambda: files.read(PATH), lambda: files.write(PATH, b"x")):
        with pytest.raises(StoreError, match=said) as caught:
            ask()
        assert "\n" not in caught.value.message


def test_a_server_that_does_not_answer_is_named(monkeypatch, bucket):
    port = free_port()
    monkeypatch.setenv(bucket.endpoint_name, f"http://127.0.0.1:{port}")
    with pytest.raises(StoreError, match=rf"can't be read: no answer from http://127\.0\.0\.1:{port}$"):
        open_loose(bucket.location()).read(PATH)


def test_a_place_that_can_not_be_opened_is_told(monkeypatch):
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreError, match=r"the object store of `offline` can't be opened: .*Account must be specified"):
        open_loose("az://container/x")
    with pytest.raises(StoreError, match="the object store of `offline` can't be opened: "):
        open_loose("ftp://host/x")


def test_an_object_store_without_its_library_is_wrong_usage(monkeypatch):
    monkeypatch.setitem(sys.modules, "featurectl.offline.bucket", None)
    with pytest.raises(UsageError, match="needs the package obstore") as caught:
        open_loose("s3://bucket/x")
    assert caught.value.hint == "pip install 'featurectl[cloud]'"


def test_folders_and_files_are_listed_each_with_a_mark_of_its_content(files):
    assert (files.folders("runs/dev"), files.marks("runs/dev/2026-01-02")) == ([], {})
    for path in ("2026-01-02/a.json", "2026-01-02/b.json", "2026-01-02/deep/c.json", "2026-01-11/a.json"):
        files.write(f"runs/dev/{path}", b"first")
    files.write("runs/dev/aside", b"")
    files.write("runs/developer/2026-01-03/a.json", b"")
    assert files.folders("runs/dev") == ["2026-01-02", "2026-01-11"]
    before = files.marks("runs/dev/2026-01-02")
    assert sorted(before) == ["runs/dev/2026-01-02/a.json", "runs/dev/2026-01-02/b.json"]
    files.write("runs/dev/2026-01-02/a.json", b"other")
    after = files.marks("runs/dev/2026-01-02")
    assert [path for path in before if before[path] != after[path]] == ["runs/dev/2026-01-02/a.json"]


def test_a_folder_goes_with_all_that_is_in_it_and_nothing_beside_it(files):
    for path in ("a/1", "a/b/2", "ab/3"):
        files.write(path, b"x")
    files.remove("a")
    files.remove("a")
    assert [files.read(path) for path in ("a/1", "a/b/2", "ab/3")] == [None, None, b"x"]
    assert files.folders("a") == []


def test_a_bucket_that_is_not_there_can_not_be_listed(bucket):
    files = open_loose(bucket.absent)
    for ask in (lambda: files.folders("a"), lambda: files.marks("a"), lambda: files.remove("a")):
        with pytest.raises(StoreError, match=f"a can't be .*{bucket.not_there}") as caught:
            ask()
        assert caught.value.code == "FC603"
