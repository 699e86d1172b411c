"""What plans say of pushes to a store that takes money for each write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurectl.online.all_stores import STORES, write_units
from featurectl.online.base import OnlineView
from featurectl.online.dynamodb.items import item_bytes, row_item, view_shards
from featurectl.operations.write_costs import cost_note, note_costs
from featurectl.plan.plan import Effort
from tests.definitions import ARRIVALS, CARRIER, DELAYS
from tests.plan.states import plan_of, repo_of, state_of, the_change
from tests.two_environments import Repository, write_repository, write_warehouse

URL = "dynamodb://eu-central-1/features"


def test_only_stores_that_take_money_for_writes_have_units():
    assert [scheme for scheme in STORES if write_units(scheme + "x") is not None] == ["dynamodb://"]


@pytest.mark.parametrize("size", [0, 1, 899, 900, 947, 948, 949, 1_971, 1_972, 1_973, 100_000])
def test_a_row_costs_a_unit_for_each_kilobyte_of_its_item(size):
    of = OnlineView(project="shop", env="dev", view="spend", version=1, keys={}, features={})
    item = row_item(view_shards(of), b"k" * min(size, 5), b"r" * (size - min(size, 5)), None)
    item["k"]["B"] = item["k"]["B"].replace(b"-", b"")  # without an entity there is one byte more
    item["e"]["B"], item["c"]["B"] = bytes(21), bytes(7)
    assert write_units(URL)(of, size) == -(-item_bytes(item) // 1_024)


class Walked:
    """A store that has some rows of a view version."""

    def __init__(self, *pages):
        self._pages = pages
        self.asked = []

    def walk(self, view):
        self.asked.append((view.view, view.version))
        yield from self._pages


def noted(plan, view, online):
    return the_change(note_costs(plan, {view.name: view}, lambda _, size: -(-size // 100), online)).notes


def test_a_pushed_view_costs_its_entities_times_what_its_rows_cost():
    after = replace(DELAYS, closed="both")
    plan = plan_of(repo_of(CARRIER, ARRIVALS, after), state_of(CARRIER, ARRIVALS, DELAYS))
    plan = replace(plan, changes=tuple(replace(c, effort=Effort(basis="b", online_keys=1_000)) for c in plan.changes))
    store = Walked([], [(b"k" * 10, b"r" * 80), (b"k" * 10, b"r" * 120)], [(b"", b"r" * 9_999)])
    assert noted(plan, after, store) == (
        "its push is about 1,500 write units of the online store: 1,000 entities, rows of about 110 B",
    )
    assert store.asked == [("delays", 1)]
    assert "write unit of the online store an entity" in noted(plan, after, Walked())[0]  # where none are there
    assert noted(plan, replace(after, online=False), store) == ()
    assert noted(plan, replace(after, source=replace(ARRIVALS, format="stream")), store) == ()


def test_a_view_that_was_never_pushed_has_a_cost_an_entity_by_its_types():
    plan = plan_of(repo_of(CARRIER, ARRIVALS, DELAYS), state_of(CARRIER, ARRIVALS))
    for store in (None, Walked()):
        [note] = noted(plan, DELAYS, store)
        assert note.startswith("its push is about 1 write unit of the online store an entity: rows of about ")


def test_rows_of_many_sizes_cost_what_they_cost_on_the_whole():
    note = cost_note(10, [1, 1_024, 1_025], lambda size: -(-size // 1_024))
    assert note.startswith("its push is about 13 write units of the online store: 10 entities")


@pytest.mark.long
def test_a_plan_over_dynamodb_says_it_before_and_after_a_push(tmp_path, dynamodb_url):
    folder = tmp_path / "prod"
    variables = {
        "REGISTRY_URL": f"sqlite:///{folder}/registry.db",
        "OFFLINE_STORE": str(folder),
        "ONLINE_URL": dynamodb_url,
        "WAREHOUSE_URL": write_warehouse(folder / "warehouse.db"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    repository = Repository(write_repository(tmp_path / "repo"), variables)
    assert "1 write unit of the online store an entity" in repository.run("plan", "--env", "prod").out
    repository.done("apply", "--env", "prod", "--auto-approve")
    repository.done("materialize", "--env", "prod", "-q")
    repository.change("{op: count, windows: [7d]}", "{op: count, windows: [7d, 1d]}")
    out = repository.run("plan", "--env", "prod").out
    assert "write units of the online store: " in out
    assert "entities, rows of about" in out
