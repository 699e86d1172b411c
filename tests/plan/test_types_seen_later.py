"""Types that nobody could see when a source was registered are learned without a new version."""

import functools
from dataclasses import replace
from random import Random

import pytest

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.plan.recheck import decide_again
from featurectl.plan.retype import LearnedTypes, with_source_types
from tests.plan.seen_sources import COLUMNS, kinds, repo_at_path
from tests.plan.states import EMPTY, applied, plan_of
from tests.seeds import seed_of

NAMES_ALONE = dict.fromkeys(COLUMNS, "unknown")


@pytest.fixture
def repo_at(tmp_path):
    return functools.partial(repo_at_path, tmp_path)


@pytest.mark.parametrize("unseen", [None, NAMES_ALONE])
@pytest.mark.parametrize("path", ["data/arrivals.parquet", "elsewhere/arrivals.parquet"])
def test_files_that_come_into_sight_give_types_and_change_no_value(repo_at, unseen, path):
    state = applied(plan_of(repo_at("data/arrivals.parquet", unseen), EMPTY), EMPTY)
    plan = plan_of(repo_at(path, COLUMNS), state)
    found = kinds(plan)
    assert found.pop("arrivals") == ("unchanged" if path == "data/arrivals.parquet" else "metadata")
    assert found == {"carrier": "unchanged", "delays": "metadata", "costs": "metadata", "lateness": "unchanged"}
    reasons = next(change.reasons for change in plan.changes if change.name == "delays")
    assert [(r.field, r.old, r.new) for r in reasons] == [
        (f"source.columns.{name}", "unknown", COLUMNS[name]) for name in ("at", "carrier", "delay")
    ]
    after = applied(plan, state)
    assert {o.version for o in after.objects} == {1}
    assert plan_of(repo_at(path, COLUMNS), after).empty
    assert plan_of(repo_at(path, unseen), after).empty


def test_what_changes_beside_the_types_is_told_alone(repo_at):
    state = applied(plan_of(repo_at("data/arrivals.parquet", None), EMPTY), EMPTY)
    plan = plan_of(repo_at("data/arrivals.parquet", COLUMNS, aggregates="    closed: both\n"), state)
    change = next(change for change in plan.changes if change.name == "delays")
    assert (change.kind, change.new_version) == ("breaking", 2)
    assert [r.field for r in change.reasons] == ["closed"]


def test_a_new_feature_may_come_with_the_types(repo_at):
    state = applied(plan_of(repo_at("data/arrivals.parquet", None), EMPTY), EMPTY)
    more = "      - {column: cost, op: max, windows: [1d]}\n"
    assert kinds(plan_of(repo_at("data/arrivals.parquet", COLUMNS, aggregates=more), state))["delays"] == "additive"


def test_types_that_were_known_are_not_learned_again(repo_at):
    state = applied(plan_of(repo_at("data/arrivals.parquet", {**NAMES_ALONE, "cost": "int64"}), EMPTY), EMPTY)
    found = kinds(plan_of(repo_at("data/arrivals.parquet", {**COLUMNS, "cost": "float64"}), state))
    assert (found["delays"], found["costs"]) == ("metadata", "breaking")


def test_declared_types_are_a_change_of_the_user(repo_at):
    state = applied(plan_of(repo_at("data/arrivals.csv", None), EMPTY), EMPTY)
    declared = "    columns: {carrier: string, at: timestamp, delay: float64, cost: int64}"
    found = kinds(plan_of(repo_at("data/arrivals.csv", None, declared), state))
    assert found["delays"] == found["costs"] == "breaking"


READ = {"delays": {"carrier", "at", "delay"}, "costs": {"carrier", "at", "cost"}}


@pytest.mark.long
@pytest.mark.parametrize("unseen", [None, NAMES_ALONE])
def test_declared_types_that_all_equal_the_learned_are_metadata(repo_at, unseen):
    state = applied(plan_of(repo_at("data/arrivals.csv", unseen), EMPTY), EMPTY)
    draws = Random(seed_of(0))
    for _ in range(12):
        declared = {name: draws.choice([dtype, "float64"]) for name, dtype in COLUMNS.items() if dtype != "string"}
        declared = {**COLUMNS, **declared, "at": "timestamp"}
        learned = {name: draws.choice(["int64", declared[name]]) for name in ("delay", "cost")}
        seen = {(view, 1): {**declared, **learned} for view in READ}
        lines = ", ".join(f"{name}: {dtype}" for name, dtype in declared.items())
        repo = repo_at("data/arrivals.csv", None, f"    columns: {{{lines}}}")
        plan = plan_repo(repo, state, PlanRequest(environment="dev", seen=seen))
        for view, read in READ.items():
            change = next(change for change in plan.changes if change.name == view)
            differ = {name for name in read if declared[name] != seen[view, 1][name]}
            assert change.kind == ("breaking" if differ else "metadata"), (declared, learned)
            columns = {(r.field, r.old, r.new) for r in change.reasons if ".columns." in r.field and r.old != "unknown"}
            assert columns == {(f"source.columns.{n}", seen[view, 1][n], declared[n]) for n in differ}
            assert any("`columns:` that say so change nothing" in note for note in change.notes) == bool(differ)
        assert kinds(plan)["lateness"] in ("unchanged", "metadata") or learned["delay"] != declared["delay"]
        assert decide_again(plan, state, "p.json", seen) == plan
        if READ.keys() & {c.name for c in plan.changes if c.kind == "metadata"}:
            with pytest.raises(UsageError, match="does something else than it says"):
                decide_again(plan, state, "p.json")


def test_what_does_not_fit_the_types_of_the_data_is_told_by_the_plan(repo_at):
    state = applied(plan_of(repo_at("data/arrivals.csv", NAMES_ALONE), EMPTY), EMPTY)
    said = (
        'feature "carrier_mean_1d": mean takes numbers and booleans, not string, '
        "by the data of arrivals as it was read: materialize will fail"
    )
    more = "      - {column: carrier, op: mean, windows: [1d]}\n      - {column: cost, op: max, windows: [1d]}\n"
    for names in (NAMES_ALONE, None):
        repo = repo_at("data/arrivals.csv", names, aggregates=more)
        for seen in ({("delays", 1): COLUMNS}, {("costs", 1): COLUMNS}):
            plan = plan_repo(repo, state, PlanRequest(environment="dev", seen=seen))
            assert {change.name: change.notes for change in plan.changes if change.notes} == {"delays": (said,)}
    assert not any(change.notes for change in plan_of(repo, state).changes)


def test_a_saved_plan_from_before_types_were_learned_is_made_again(repo_at):
    state = applied(plan_of(repo_at("data/arrivals.csv", None), EMPTY), EMPTY)
    declared = "    columns: {carrier: string, at: timestamp, delay: float64, cost: int64}"
    repo, seen = repo_at("data/arrivals.csv", None, declared), {("delays", 1): COLUMNS}
    for before, since in ({}, seen), (seen, {**seen, ("costs", 1): COLUMNS}):
        plan = plan_repo(repo, state, PlanRequest(environment="dev", seen=before))
        assert decide_again(plan, state, "p.json", before) == plan
        with pytest.raises(TryAgainError, match="been read from the data since"):
            decide_again(plan, state, "p.json", since)


def test_an_object_that_does_not_fit_its_source_stays_as_registered(repo_at):
    unseen = repo_at("data/arrivals.parquet", None)
    texts = dict.fromkeys(COLUMNS, "string")
    source = replace(unseen.sources["arrivals"], columns=texts)
    view = replace(unseen.views["delays"], source=source)
    assert with_source_types(unseen.sources["arrivals"], source, LearnedTypes()) is unseen.sources["arrivals"]
    assert with_source_types(unseen.views["delays"], view, LearnedTypes()) is unseen.views["delays"]
