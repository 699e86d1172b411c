"""A part of a plan: what --select chooses, and nothing that would hang in the air."""

from dataclasses import replace

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.about import About
from featurectl.plan.build import PlanRequest, plan_repo
from tests.definitions import ARRIVALS, CARRIER, DELAYS, LATEST, MODEL
from tests.plan.states import EMPTY, applied, plan_of, repo_of, state_of

ALL = (CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)
OWNED = About(owner="ana")


def selecting(repo, state, *terms, **more):
    return plan_repo(repo, state, PlanRequest(environment="dev", select=terms, **more))


def changed(plan):
    return [(c.kind, c.name) for c in plan.changes]


def test_only_the_selected_changes_are_planned_and_the_others_are_counted():
    views = (replace(DELAYS, closed="both"), replace(LATEST, about=OWNED))
    state, repo = state_of(*ALL), repo_of(CARRIER, ARRIVALS, *views, MODEL)
    plan = selecting(repo, state, "latest")
    assert changed(plan) == [("metadata", "latest")]
    assert (plan.left, plan.selected) == (1, ("latest",))
    assert [s.item.name for s in plan.stages] == ["latest"]
    after = applied(plan, state)
    assert changed(selecting(repo, after, "state:modified")) == [("breaking", "delays")]


def test_selecting_everything_is_the_whole_plan():
    repo = repo_of(*ALL)
    whole, plan = plan_of(repo, EMPTY), selecting(repo, EMPTY, "*")
    assert (plan.changes, plan.stages, plan.left) == (whole.changes, whole.stages, 0)


def test_what_a_selected_object_is_made_of_must_be_there_or_come_too():
    repo = repo_of(*ALL)
    with pytest.raises(UsageError) as caught:
        selecting(repo, EMPTY, "latest")
    assert caught.value.message == "--select leaves out entity carrier, which changes too and which latest is made of"
    assert caught.value.hint == "--select +latest takes both"
    plan = selecting(repo, EMPTY, "+latest")
    assert [name for _, name in changed(plan)] == ["carrier", "arrivals", "latest"]
    assert changed(selecting(repo, applied(plan, EMPTY), "delays")) == [("new", "delays")]


def test_an_object_that_the_files_leave_out_is_selected_by_its_name():
    state, repo = state_of(*ALL), repo_of(CARRIER, ARRIVALS, replace(DELAYS, about=OWNED), MODEL)
    assert changed(selecting(repo, state, "delays")) == [("metadata", "delays")]
    plan = selecting(repo, state, "latest", allow_remove=("latest",))
    assert (changed(plan), plan.left) == ([("removed", "latest")], 1)


@pytest.mark.parametrize(
    ("terms", "user"), [(["carrier"], "delays"), (["carrier", "+delays"], "latest"), (["carrier", "delays+"], "latest")]
)
def test_what_registered_objects_are_made_of_is_not_removed_before_them(terms, user):
    airline = replace(CARRIER, name="airline")
    repo = repo_of(airline, ARRIVALS, replace(DELAYS, entity=airline), MODEL)
    state = applied(selecting(repo_of(*ALL, airline), EMPTY), EMPTY)
    with pytest.raises(UsageError) as caught:
        selecting(repo, state, *terms, allow_remove=("carrier",))
    assert caught.value.message == (
        f"--select removes entity carrier and leaves out view {user}, which is made of it until it changes too"
    )
    assert caught.value.hint == f"--select carrier --select {user}"
    both = selecting(repo, state, "carrier", "delays", "latest", allow_remove=("carrier", "latest"))
    assert ("removed", "carrier") in changed(both)
    assert applied(both, state).current("entity", "carrier") is None
