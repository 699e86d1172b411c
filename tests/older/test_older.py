"""Projects made by older versions: read as they were, nothing to change, and everything goes on with them.

`make.py` made them, by real commits of this repository, one before each step of the registry's schema.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.registry.steps import HEAD
from tests.bad_input.shop import Shop

HERE = Path(__file__).parent
STEPS = {"a5e34f1": "0002", "870406d": "0003", "32fc4b7": "0004", "5546513": "0005"}


OLDEST, *OTHERS = STEPS
EACH = [OLDEST, *(pytest.param(commit, marks=pytest.mark.stress) for commit in OTHERS)]


@pytest.fixture(params=STEPS)
def older(request, tmp_path, monkeypatch, capsys) -> Shop:
    """The project of a commit, which is the current folder."""
    with tarfile.open(HERE / f"{request.param}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    assert step(tmp_path) == STEPS[request.param]
    return Shop(tmp_path, lambda: tuple(capsys.readouterr()))


def step(root: Path) -> str:
    with closing(sqlite3.connect(root / ".featurectl/registry.db")) as connection, connection:
        return str(connection.execute("select version_num from alembic_version").fetchone()[0])


def values(text: str) -> object:
    """Return what `get` told of the features and the instants behind them."""
    told = json.loads(text)["result"]
    return [told[key] for key in ("version", "origin", "event_time", "available_at", "computed_at", "features")]


def test_a_project_of_an_older_version_is_read_as_it_was(older):
    """Reading upgrades nothing."""
    before = step(older.root)
    for name, words in (("spend", ("spend", "customer=a")), ("last_order", ("last_order", "customer=b"))):
        ran = older.run("get", *words, "-o", "json")
        assert ran.code == 0, ran.err
        assert values(ran.out) == values((older.root / f"{name}.json").read_text())
    for words in (("status",), ("history",), ("models", "list"), ("models", "show", "pays"), ("why", "spend")):
        ran = older.run(*words)
        assert ran.code == 0, (words, ran)
    assert step(older.root) == before


@pytest.mark.parametrize("older", EACH, indirect=True)
def test_an_older_version_has_nothing_to_change_and_goes_on(older):
    ran = older.run("plan")
    assert (ran.code, ran.out.split(".")[0]) == (0, "No changes"), ran
    for words in (
        ("materialize",),
        ("materialize", "--full"),
        ("verify", "--store"),
        ("score", "pays", "--out", "x.csv"),
    ):
        ran = older.run(*words)
        assert ran.code == 0, (words, ran)
    older.change("objects.yaml", "op: count, windows: [7d]", "op: count, windows: [7d, 2d]")
    assert older.run("apply", "--auto-approve").code == 0
    assert step(older.root) == HEAD
    for words in (("materialize",), ("train", "pays"), ("get", "spend", "customer=a"), ("verify", "--store")):
        assert older.run(*words).code == 0, words


@pytest.mark.long
@pytest.mark.sample(1)
def test_a_feature_of_an_older_version_is_renamed_in_place(older):
    """What was stored under the old name is answered under both."""
    older.change("objects.yaml", "op: count, windows: [7d]", "op: count, name: orders, aliases: [count], windows: [7d]")
    ran = older.run("plan", "-o", "json")
    changes = json.loads(ran.out)["result"]["changes"]
    assert [(change["name"], change["kind"]) for change in changes] == [("spend", "metadata")], ran
    assert older.run("apply", "--auto-approve").code == 0
    ran = older.run("get", "spend", "customer=a", "-o", "json")
    found, was = (
        json.loads(ran.out)["result"]["features"],
        json.loads((older.root / "spend.json").read_text())["result"],
    )
    assert found["orders_7d"] == was["features"]["count_7d"]
    for words in (("materialize",), ("verify", "--store"), ("score", "pays", "--out", "x.csv")):
        assert older.run(*words).code == 0, words
