"""Rows of erased keys in the online store: they go, their bytes with them, and no push brings them back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.erasure.online_store import OnlineStorePlace
from featurectl.workspace.open import open_workspace
from featurectl.workspace.workspace import Workspace
from tests.erasure.erasing import bury, erase_in, files_with, request_of
from tests.model_shop import VIEWS, Shop, open_shop

CANARY = "canary-51c0"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(VIEWS)
        with (tmp_path / "s.csv").open("a") as rows:
            rows.write(f"{CANARY},2026-01-02T00:00:00Z,a,7,1.5\n")
        opened.run("materialize", "--full")
        opened.run("push")
        yield opened


@pytest.fixture
def workspace(shop: Shop) -> Iterator[Workspace]:
    with open_workspace(shop.root, None, None, "unread") as opened:
        yield opened


def online_files(root: Path) -> list[str]:
    return [name for name in files_with(root, CANARY) if name.startswith("on.db")]


def test_no_byte_of_an_erased_key_is_left_in_the_file(shop: Shop, workspace: Workspace):
    assert online_files(shop.root)
    found = erase_in(workspace, OnlineStorePlace(), "key", k=CANARY)
    assert [(item.place, item.rows, item.what) for item in found] == [("online rows of v@1", 1, "rows")]
    assert online_files(shop.root) == []
    assert "NOT_FOUND" in shop.run("get", "v", f"k={CANARY}").out
    assert "PRESENT" in shop.run("get", "v", "k=k1").out


def test_what_is_known_by_a_hash_is_found_among_all(shop: Shop, workspace: Workspace):
    bury(workspace, "key", {"k": CANARY})
    request = request_of(workspace)
    assert [item.rows for item in OnlineStorePlace().look(request)] == [1]
    assert [item.rows for item in OnlineStorePlace().erase(request)] == [1]
    assert (OnlineStorePlace().look(request), OnlineStorePlace().erase(request)) == ([], [])
    assert online_files(shop.root) == []


def test_a_run_that_was_killed_before_the_bytes_went_is_done_over(
    shop: Shop, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("featurectl.online.sqlite.file.DatabaseFile.wipe", killed)
        with pytest.raises(KilledError):
            erase_in(workspace, OnlineStorePlace(), "key", k=CANARY)
    assert OnlineStorePlace().erase(request_of(workspace)) == []
    assert online_files(shop.root) == []


def test_a_push_after_it_brings_nothing_back_and_loses_nothing(shop: Shop, workspace: Workspace):
    erase_in(workspace, OnlineStorePlace(), "key", k=CANARY)
    said = shop.run("push", "--full")
    assert "gone from the online store" not in said.err
    assert online_files(shop.root) == []
    assert OnlineStorePlace().look(request_of(workspace)) == []


def test_a_store_that_was_restored_from_before_is_cleaned_by_the_next_push(shop: Shop, workspace: Workspace):
    before = (shop.root / "on.db").read_bytes()
    erase_in(workspace, OnlineStorePlace(), "key", k=CANARY)
    shop.run("push")
    for name in ("on.db-wal", "on.db-shm"):
        (shop.root / name).unlink(missing_ok=True)
    (shop.root / "restored.db").write_bytes(before)
    (shop.root / "restored.db").replace(shop.root / "on.db")
    assert online_files(shop.root)
    shop.run("push")
    assert OnlineStorePlace().look(request_of(workspace)) == []
    assert online_files(shop.root) == []


def test_a_push_leaves_no_byte_in_a_restored_wal_that_is_held_open(shop: Shop, workspace: Workspace):
    with closing(sqlite3.connect(shop.root / "on.db")) as server:
        for changed in ("row || x'00'", "substr(row, 1, length(row) - 1)"):
            server.execute(f"update rows set row = cast({changed} as blob)")
            server.commit()
        copies = {name: (shop.root / name).read_bytes() for name in ("on.db", "on.db-wal")}
    assert CANARY.encode() in copies["on.db-wal"]
    erase_in(workspace, OnlineStorePlace(), "key", k=CANARY)
    workspace.online().close()
    for name in ("on.db", "on.db-wal", "on.db-shm"):
        (shop.root / name).unlink(missing_ok=True)
    for name, content in copies.items():
        (shop.root / name).write_bytes(content)
    with closing(sqlite3.connect(shop.root / "on.db")) as server:
        server.execute("select * from views").fetchall()
        shop.run("push")
        assert online_files(shop.root) == []
