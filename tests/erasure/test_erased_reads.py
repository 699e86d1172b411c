"""Clients answer no row of an erased key that is still in the store, and look at nothing once a push knew of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.api.clients import open_client
from featurectl.online.row_places import online_view
from featurectl.workspace.open import open_workspace
from tests.erasure.erasing import bury
from tests.model_shop import VIEWS, Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(VIEWS)
        opened.run("push")
        yield opened


def read(shop: Shop, *keys: str) -> Sequence[object]:
    with closing(open_client(str(shop.root))) as client:
        return client.get(["v:qty"], {"k": list(keys)}).values()["qty"]


def test_a_row_that_is_still_there_is_not_answered(shop: Shop):
    before = read(shop, "k1", "k2")
    assert None not in before
    with open_workspace(shop.root, None, None, "unread") as workspace:
        bury(workspace, "key", {"k": "k1"})
    assert read(shop, "k1", "k2") == [None, before[1]]
    assert read(shop, "k1") == [None]
    assert read(shop, "k2") == [before[1]]
    shop.run("push")
    assert read(shop, "k1", "k2") == [None, before[1]]


def test_who_came_back_is_answered_while_others_are_erased(shop: Shop):
    before = read(shop, "k1", "k2")
    with open_workspace(shop.root, None, None, "unread") as workspace:
        number = bury(workspace, "key", {"k": "k1"}).number
        store, view = workspace.online(), online_view(workspace.repo.views["v"], 1, "shop", "dev")
        record = store.read_push_record(view)
        assert record is not None
        store.write_push_record(view, replace(record, erased=number))  # so that the row is one of later
        assert read(shop, "k1", "k2") == before
        bury(workspace, "key", {"k": "k2"})
    assert read(shop, "k1", "k2") == [before[0], None]


def test_nothing_is_looked_up_once_a_push_knew_of_it(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    with open_workspace(shop.root, None, None, "unread") as workspace:
        bury(workspace, "key", {"k": "k1"})
    shop.run("push")

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("featurectl.core.erasures.Erasures.erased_until", never)
    assert None not in read(shop, "k2", "k3")
