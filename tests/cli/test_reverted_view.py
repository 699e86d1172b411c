"""A breaking change that is reverted: the version of before goes on, and is read by name once it was pushed again."""

import json
import re
import sqlite3
from contextlib import closing

import pytest

from featurectl.cli.main import main
from tests.cli.shop import fill_shop

WHERE = "    where: amount > 2\n"


class Shop:
    """A shop whose view `spend` can be changed and reverted."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys
        self.file = root / "views.yaml"
        self.original = self.file.read_text().replace("orders.csv", "orders*.csv")

    def run(self, *words, code=0):
        self.capsys.readouterr()
        assert main([*words, "-q"]) == code
        return self.capsys.readouterr().out

    def apply(self, *, where):
        text = self.original.replace("source: orders\n    aggregates", f"source: orders\n{WHERE}    aggregates")
        self.file.write_text(text if where else self.original)
        self.run("apply", "--auto-approve")

    def get(self):
        result = json.loads(self.run("get", "spend", "customer=ana", "-o", "json"))["result"]
        return result["version"], result["features"]["count_7d"]["value"]


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(fill_shop(tmp_path))
    made = Shop(tmp_path, capsys)
    made.run("push")
    made.apply(where=True)
    made.run("materialize")
    return made


def add_order(shop):
    header = "customer,day,ordered_at,amount\n"
    (shop.root / "orders2.csv").write_text(f"{header}ana,2026-01-07,2026-01-07T11:00:00Z,9\n")


def test_the_version_of_before_is_read_again_once_it_was_pushed(shop):
    assert shop.get() == (2, 1)
    add_order(shop)
    shop.apply(where=False)
    assert shop.get() == (2, 1)
    waiting = json.loads(shop.run("status", "-o", "json"))["result"]["rows"]
    notes = {(row["name"], row["version"]): row["note"] for row in waiting}
    assert notes["spend", 1] == "not pushed since it is current again; served: @2"
    assert "spend@2" not in shop.run("clean", "--dry-run")
    done = json.loads(shop.run("materialize", "spend", "-o", "json"))["result"]["views"]
    assert [(v["version"], v["action"], v["rows_read"]) for v in done] == [(1, "append", 1)]
    assert shop.get() == (1, 3)
    assert "spend@2" in shop.run("clean", "--dry-run")


def test_push_records_of_a_release_without_applied_at_are_known(shop):
    add_order(shop)
    shop.run("materialize")
    with closing(sqlite3.connect(shop.root / "deep/on.db")) as online, online:
        for place, record in online.execute(
            "select id, push_record from views where push_record is not null"
        ).fetchall():
            online.execute("update views set push_record = ? where id = ?", (strip(record), place))
    assert shop.get() == (2, 2)
    shop.apply(where=False)
    assert shop.get() == (2, 2)
    shop.run("materialize")
    assert shop.get() == (1, 3)


def strip(record):
    found = re.sub(rb',"applied_at":\d+', b"", record)
    assert found != record
    return found


def test_readers_wait_on_the_version_that_was_current_last(shop):
    shop.apply(where=False)
    shop.run("push", "spend")
    assert shop.get() == (1, 2)
    third = shop.original.replace("source: orders\n    aggregates", "source: orders\n    closed: both\n    aggregates")
    shop.file.write_text(third)
    shop.run("apply", "--auto-approve")
    assert shop.get() == (1, 2)


def test_the_plan_says_what_goes_on_and_what_is_computed_after_a_clean(shop):
    shop.file.write_text(shop.original)
    assert "breaking  v2 -> v1, identical to v1, nothing is recomputed" in shop.run("plan")
    for folder in (shop.root / "off").rglob("v1"):
        if folder.parent.name == "spend":
            folder.rename(shop.root / "gone")
    said = shop.run("plan")
    assert "v2 -> v1, identical to v1, recomputed as its table was removed" in said
    assert "After apply, materialize computes spend@1." in said
