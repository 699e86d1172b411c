"""Tables and registry that come back from one backup, beside an online store that has heard of a later erasure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from featurectl.cli.main import main
from featurectl.core.erasures import Erasures
from featurectl.online.all_stores import open_online
from featurectl.online.erased_keys import ErasedOnlineRows, remove_erased
from featurectl.online.erasure_mark import HeardErasures, hear_of, read_heard
from tests.erasure.erasing import files_with
from tests.erasure.test_streams import erase, run_once
from tests.model_shop import VIEWS, Shop, open_shop
from tests.streaming.session.swipes import Swipes
from tests.tombstones import tombstone

CANARIES = ("canary-51c0", "canary-72d1")
BACKUP = ("r.db", "off")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(VIEWS)
        with (tmp_path / "s.csv").open("a") as rows:
            rows.writelines(f"{key},2026-01-02T00:00:00Z,a,7,1.5\n" for key in CANARIES)
        opened.run("materialize", "--full")
        keep(tmp_path, tmp_path / "backup")
        yield opened


def keep(source: Path, target: Path) -> None:
    """Put registry and tables of a folder into another, in place of those."""
    target.mkdir(exist_ok=True)
    for name in BACKUP:
        if (source / name).is_dir():
            shutil.rmtree(target / name, ignore_errors=True)
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy(source / name, target / name)


@pytest.mark.long
@pytest.mark.parametrize("pushes", [False, True], ids=["as it was erased", "after a push"])
def test_rows_of_erased_keys_stay_away_until_each_is_erased_again(shop: Shop, *, pushes: bool):
    for key in CANARIES:
        shop.run("erase", "key", f"k={key}")
    if pushes:
        shop.run("push")
    keep(shop.root / "backup", shop.root)
    for command in ("push", "materialize"):
        said = shop.run(command, code=69).err
        assert "FC619" in said
        assert "the registry knows nothing of 2 keys among them" in said
    assert "knows nothing of 2 keys among them" in shop.run("status", code=1).out
    first = shop.run("erase", "key", f"k={CANARIES[0]}").out
    assert "it has heard of erasures of 1 more key than this registry" in first
    shop.run("erase", "key", f"k={CANARIES[0]}")  # the same once more is not the other
    assert "FC619" in shop.run("push", code=69).err
    assert "1 more key" not in shop.run("erase", "key", f"k={CANARIES[1]}").out
    shop.run("materialize")
    shop.run("push")
    assert [name for key in CANARIES for name in files_with(shop.root, key) if name.startswith("on.db")] == []
    assert json.loads(shop.run("status", "-o", "json").out)["result"]["older_registry"] == ""


@pytest.mark.long
def test_two_erasures_at_once_are_no_registry_that_was_restored(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    def meanwhile(*of: Any) -> ErasedOnlineRows:
        monkeypatch.undo()
        monkeypatch.chdir(shop.root)
        shop.run("erase", "key", f"k={CANARIES[1]}")
        return remove_erased(*of)

    monkeypatch.setattr("featurectl.erasure.online_store.remove_erased", meanwhile)
    assert "restored" not in shop.run("erase", "key", f"k={CANARIES[0]}").out
    with closing(open_online(f"sqlite:///{shop.root / 'on.db'}")) as store:
        assert read_heard(store, "shop", "dev").keys == len(CANARIES)
    shop.run("push")


def test_an_environment_that_pushed_after_an_erasure_has_heard_of_it(shop: Shop):
    text = (shop.root / "featurectl.yaml").read_text()
    other = text.splitlines()[-1].replace("dev:", "two:").replace("on.db", "two.db")
    (shop.root / "featurectl.yaml").write_text(f"{text}{other}\n")
    shop.run("erase", "key", f"k={CANARIES[0]}")
    shop.run("push", "--env", "two")
    keep(shop.root / "backup", shop.root)
    assert "FC619" in shop.run("push", "--env", "two", code=69).err


def test_workers_begin_with_no_registry_that_is_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    swipes = Swipes(root=tmp_path)
    swipes.send(2, card=CANARIES[0])
    run_once(swipes)
    before = (tmp_path / "r.db").read_bytes()
    erase(swipes, CANARIES[0])
    (tmp_path / "r.db").write_bytes(before)
    for words in (["stream", "run", "--once"], ["stream", "rebuild", "spend"]):
        assert main(["-C", str(tmp_path), *words, "-q"]) == 69
        assert "FC619" in capsys.readouterr().err


@pytest.mark.parametrize("number", [4, 6])
def test_a_mark_gives_way_once_as_many_keys_are_known(tmp_path: Path, number: int):
    with closing(open_online(f"sqlite:///{tmp_path / 'on.db'}")) as store:
        assert hear_of(store, "shop", "dev", lambda _: known(1, 5)) == 0
        assert hear_of(store, "shop", "dev", lambda _: known(1)) == 1
        assert read_heard(store, "shop", "dev") == HeardErasures(number=5, keys=2)
        assert hear_of(store, "shop", "dev", lambda _: known(1, number)) == 0  # by a clock that was set back, too
        assert read_heard(store, "shop", "dev") == HeardErasures(number=number, keys=2)


def known(*numbers: int) -> Erasures:
    found = [replace(tombstone("key", ["k"], [f"k{n}"], datetime.now(UTC)), number=n) for n in numbers]
    return Erasures(secret=b"s", tombstones=tuple(found))


@pytest.mark.parametrize(
    ("heard", "numbers", "unknown"),
    [
        ((0, 0), (), 0),
        ((0, 0), (1, 2), 0),
        ((2, 2), (1, 2), 0),
        ((2, 2), (1, 2, 3), 0),
        ((2, 2), (1,), 1),
        ((2, 2), (1, 3), 1),  # another key was erased since
        ((3, 3), (1,), 2),
    ],
)
def test_how_many_keys_a_registry_does_not_know(heard: tuple[int, int], numbers: tuple[int, ...], unknown: int):
    assert HeardErasures(number=heard[0], keys=heard[1]).unknown_to(known(*numbers)) == unknown
