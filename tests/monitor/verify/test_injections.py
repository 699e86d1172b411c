"""Each fault that is put into the store's bytes or the log's files is found, and called by its name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.monitor.verify.injections import FAULTS, Pipeline, inject_log, inject_store, read_orders
from tests.monitor.verify.shop import log_folder, request_rows, serve_rows, verified

CAUSES = {
    "wrong version served": "version",
    "shifted clock": "shifted clock",
    "dropped late rows": "late row",
    "changed boundary": "boundary",
    "stale push": "stale push",
    "corrupted value": "corrupted value",
}


def causes_of(skews) -> Counter[str]:
    return sum((Counter(skew["causes"]) for skew in skews), Counter())


def in_log(root, capsys) -> tuple[int, Counter[str]]:
    code, result = verified(root, capsys)
    return code, causes_of(result["models"][0]["features"])


def in_store(root, capsys) -> tuple[int, Counter[str]]:
    code, result = verified(root, capsys, "--store", "--all")
    assert all(not view["missing"] and not view["unexpected"] for view in result["views"])
    return code, causes_of(skew for view in result["views"] for skew in view["features"])


def test_the_injections_know_nothing_of_what_finds_them():
    text = Path(__file__).with_name("injections.py").read_text()
    assert "import featurectl" not in text
    assert "from featurectl." not in text


@pytest.mark.usefixtures("capsys")
@pytest.mark.long
def test_the_injections_own_pipeline_is_the_right_one(shop, monkeypatch):
    """Without a fault they change nothing: what they write is what featurectl has written."""
    monkeypatch.setitem(FAULTS, "none", Pipeline())
    orders = read_orders(shop / "orders.parquet")
    assert inject_store("none", orders, f"sqlite:///{shop}/on.db") == 0
    assert inject_log("none", orders, log_folder(shop)) == 0


@pytest.mark.long
def test_where_nothing_is_spoiled_nothing_differs(shop, capsys):
    assert in_log(shop, capsys) == (0, Counter())
    assert in_store(shop, capsys) == (0, Counter())


@pytest.mark.parametrize("fault", CAUSES)
@pytest.mark.sample(1)
def test_a_fault_in_the_log_is_found_and_named(shop, capsys, fault):
    changed = inject_log(fault, read_orders(shop / "orders.parquet"), log_folder(shop))
    assert changed > 3
    code, causes = in_log(shop, capsys)
    assert (code, set(causes)) == (1, {CAUSES[fault]})


@pytest.mark.long
@pytest.mark.parametrize("fault", CAUSES)
@pytest.mark.sample(1)
def test_a_fault_in_sqlite_is_named_there_and_in_what_is_served_of_it(shop, capsys, fault):
    changed = inject_store(fault, read_orders(shop / "orders.parquet"), f"sqlite:///{shop}/on.db")
    assert changed >= 3
    code, causes = in_store(shop, capsys)
    assert (code, set(causes)) == (1, {CAUSES[fault]})
    for file in log_folder(shop).rglob("*.parquet"):
        file.unlink()
    serve_rows(shop, request_rows(120, seed=2))
    code, causes = in_log(shop, capsys)
    assert (code, set(causes)) == (1, {CAUSES[fault]})
