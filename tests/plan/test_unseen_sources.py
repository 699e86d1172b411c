"""Sources whose data can't be looked at keep the types that the registry knows."""

import functools

import pytest

from tests.plan.seen_sources import COLUMNS, kinds, repo_at_path
from tests.plan.states import EMPTY, applied, plan_of


@pytest.fixture
def repo_at(tmp_path):
    return functools.partial(repo_at_path, tmp_path)


@pytest.fixture
def state(repo_at):
    return applied(plan_of(repo_at("data/arrivals.parquet", COLUMNS), EMPTY), EMPTY)


@pytest.mark.parametrize("path", ["s3://lake/arrivals/*.parquet", '"${LAKE}/arrivals.parquet"'])
def test_a_source_that_moves_out_of_sight_changes_its_path_alone(repo_at, state, path):
    plan = plan_of(repo_at(path, None), state)
    changed = {change.name: (change.kind, [r.field for r in change.reasons]) for change in plan.changes}
    assert changed.pop("arrivals") == ("metadata", ["path"])
    assert all(change == ("unchanged", []) for change in changed.values())
    again = plan_of(repo_at(path, None), applied(plan, state))
    assert again.empty


def test_a_file_of_known_names_keeps_the_types_of_those_it_still_has(repo_at, state):
    names = dict.fromkeys(COLUMNS, "unknown")
    assert set(kinds(plan_of(repo_at("data/arrivals.csv", names), state)).values()) == {"metadata", "unchanged"}
    other = {**names, "cost": "float64"}
    found = kinds(plan_of(repo_at("data/arrivals.parquet", other), state))
    assert (found["delays"], found["costs"]) == ("unchanged", "breaking")


def test_a_change_of_value_out_of_sight_is_still_one(repo_at, state):
    closed = "    closed: both\n"
    repo = repo_at("s3://lake/a.parquet", None, aggregates="      - {column: cost, op: max, windows: [1d]}\n" + closed)
    assert kinds(plan_of(repo, state))["delays"] == "breaking"


def test_a_new_feature_over_a_column_new_to_the_registry_is_additive(repo_at, state):
    more = "      - {column: brand_new, op: max, windows: [1d]}\n"
    plan = plan_of(repo_at("s3://lake/arrivals.parquet", None, aggregates=more), state)
    assert kinds(plan) == {
        "delays": "additive",
        "arrivals": "metadata",
        "carrier": "unchanged",
        "costs": "unchanged",
        "lateness": "unchanged",
    }
    assert plan_of(repo_at("s3://lake/arrivals.parquet", None, aggregates=more), applied(plan, state)).empty


def test_declared_types_are_forgotten_once_the_declaration_is_taken_away(repo_at):
    declared = "    columns: {carrier: string, at: timestamp, delay: float64, cost: int64}"
    before = applied(plan_of(repo_at("data/arrivals.csv", None, declared), EMPTY), EMPTY)
    found = kinds(plan_of(repo_at("s3://lake/arrivals.csv", None), before))
    assert found["delays"] == found["costs"] == "breaking"


def test_the_first_plan_of_a_source_out_of_sight_knows_no_types(repo_at):
    plan = plan_of(repo_at("s3://lake/arrivals.parquet", None), EMPTY)
    assert set(kinds(plan).values()) == {"new"}
