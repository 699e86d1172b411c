"""Lists of streams in a store that was restored from before an erasure: readers answer nothing of the erased."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.api.clients import open_async_client, open_client
from featurectl.cli.main import main
from featurectl.online.list_marks import read_list_mark
from featurectl.online.row_places import online_view
from tests.erasure.erasing import bury
from tests.erasure.test_streams import CANARY, count, erase, left, run_once
from tests.streaming.session.running import running
from tests.streaming.session.swipes import Swipes, wait_for

CARDS = [CANARY, "c1", "nobody"]
Counts = list[object]  # of CARDS


@pytest.fixture
def swipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swipes:
    monkeypatch.chdir(tmp_path)
    return Swipes(root=tmp_path)


def saved(swipes: Swipes) -> bytes:
    """The online store's file as it is now."""
    with closing(sqlite3.connect(swipes.root / "on.db")) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    return (swipes.root / "on.db").read_bytes()


def restore(swipes: Swipes, content: bytes) -> None:
    """Put an older file in the place of the online store's."""
    for name in ("on.db-wal", "on.db-shm"):
        (swipes.root / name).unlink(missing_ok=True)
    (swipes.root / "older.db").write_bytes(content)
    (swipes.root / "older.db").replace(swipes.root / "on.db")


def by_client(swipes: Swipes) -> Counts:
    with open_client(swipes.root) as client:
        return list(client.get(["spend:amount_count_1h"], {"card": CARDS}).columns["amount_count_1h"].values)


def by_async_client(swipes: Swipes) -> Counts:
    async def ask() -> Counts:
        async with open_async_client(swipes.root) as client:
            found = await client.get(["spend:amount_count_1h"], {"card": CARDS})
            return list(found.columns["amount_count_1h"].values)

    return asyncio.run(ask())


def by_get(swipes: Swipes, capsys: pytest.CaptureFixture[str]) -> Counts:
    found = []
    for card in CARDS:
        capsys.readouterr()
        assert main(["-C", str(swipes.root), "get", "spend", f"card={card}", "-q", "-o", "json"]) in (0, 1)
        found.append(json.loads(capsys.readouterr().out)["result"]["features"]["amount_count_1h"]["value"])
    return found


def mark(swipes: Swipes) -> int:
    with swipes.workspace() as workspace:
        item = workspace.repo.views["spend"]
        return read_list_mark(workspace.online(), online_view(item, 1, "shop", "dev"))


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("ask", [by_client, by_async_client], ids=["client", "async client"])
def test_clients_answer_nothing_of_a_restored_list(swipes: Swipes, ask: Callable[[Swipes], Counts]):
    swipes.send(4, card=CANARY)
    swipes.send(2)
    run_once(swipes)
    before, whole = saved(swipes), ask(swipes)
    assert (whole[0], whole[1]) == (4, 3)
    erase(swipes)
    assert ask(swipes) == [whole[2], 3, whole[2]]
    restore(swipes, before)
    assert (count(swipes, CANARY), mark(swipes)) == (4, 0)
    assert ask(swipes) == [whole[2], 3, whole[2]]
    with running(swipes):
        wait_for(lambda: mark(swipes) > 0)
    assert left(swipes) == {}
    swipes.send(1, card=CANARY)
    run_once(swipes)
    assert ask(swipes)[:2] == [1, 3]


def come_back(swipes: Swipes) -> None:
    """Erase the card of some events, and have another one come of it."""
    swipes.send(4, card=CANARY)
    swipes.send(2)
    run_once(swipes)
    erase(swipes)
    swipes.send(1, card=CANARY)
    run_once(swipes)


@pytest.mark.parametrize("ask", [by_client, by_async_client], ids=["client", "async client"])
def test_who_came_back_is_answered_while_others_are_erased(swipes: Swipes, ask: Callable[[Swipes], Counts]):
    come_back(swipes)
    before = ask(swipes)
    assert before[:2] == [1, 3]
    with swipes.workspace() as workspace:
        bury(workspace, "card", {"card": "c1"})  # an erasure that has not come to the lists yet
    assert ask(swipes) == [1, before[2], before[2]]


def test_get_answers_who_came_back_while_others_are_erased(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    come_back(swipes)
    with swipes.workspace() as workspace:
        bury(workspace, "card", {"card": "c1"})
    found = by_get(swipes, capsys)
    assert found == [1, found[2], found[2]]


def test_get_answers_nothing_of_a_restored_list(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    swipes.send(4, card=CANARY)
    swipes.send(2)
    run_once(swipes)
    before, whole = saved(swipes), by_get(swipes, capsys)
    assert whole[:2] == [4, 3]
    erase(swipes)
    restore(swipes, before)
    assert by_get(swipes, capsys) == [whole[2], 3, whole[2]]
    erase(swipes, "c2")  # which cleans them of those before, too
    assert (left(swipes), mark(swipes) > 0) == ({}, True)


@pytest.mark.long
def test_status_names_restored_lists_until_they_are_clean(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    def named() -> object:
        capsys.readouterr()
        assert main(["-C", str(swipes.root), "status", "-q", "-o", "json"]) in (0, 1)
        return json.loads(capsys.readouterr().out)["result"]["restored_places"]

    swipes.send(4, card=CANARY)
    run_once(swipes)
    before = saved(swipes)
    assert main(["-C", str(swipes.root), "erase", "card", f"card={CANARY}", "-q"]) == 0
    assert named() == []
    restore(swipes, before)
    assert named() == ["lists of spend@1"]
    run_once(swipes)  # which goes over no lists
    assert named() == ["lists of spend@1"]
    with running(swipes):
        wait_for(lambda: mark(swipes) > 0)
    assert (named(), left(swipes)) == ([], {})


def test_lists_that_are_made_anew_are_clean(swipes: Swipes):
    erase(swipes)
    swipes.send(2, card=CANARY)  # who has come back
    run_once(swipes)
    assert mark(swipes) > 0
    assert by_client(swipes)[0] == 2
