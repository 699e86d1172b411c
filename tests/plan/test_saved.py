"""A plan in a file is the plan that was made, and nobody's hand is in it."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.about import About
from featurectl.language.definitions.entity import Entity
from featurectl.language.problems.codes import Problem
from featurectl.language.syntax.place import Place
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.plan.external_state import ExternalState
from featurectl.plan.plan import Effort
from featurectl.plan.saved import dump_plan, load_plan
from tests.definitions import ARRIVALS, CARRIER, DELAYS, LATEST, MODEL
from tests.plan.states import EMPTY, repo_of, state_of, trained

ALL = (CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)
PLACES = {("feature_view", "delays"): Place("views/délais.yaml", 3, 5, 9)}
EFFORT = Effort(basis="table delays@1", since=datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), rows=7, online_keys=0)


def made():
    """A plan with each kind of change, of stage and of reason."""
    state = state_of(*ALL, replace(LATEST, name="old"))
    state = replace(
        state,
        model_versions=(trained("late", 1, "delays", 1, ["count_1d"]),),
        aliases={("late", "champion"): 1},
    )
    source = replace(ARRIVALS, about=About(owner="ana", tags=("b", "a")))
    views = (replace(DELAYS, closed="both"), replace(LATEST, name="newer"), LATEST)
    repo = repo_of(CARRIER, source, *views, MODEL, places=PLACES)
    external = ExternalState(online=frozenset(), offline=False)
    plan = plan_repo(repo, state, PlanRequest(environment="prod", commit="3f2c1ab", external=external))
    return replace(plan, changes=tuple(replace(c, effort=EFFORT) for c in plan.changes))


def test_a_saved_plan_is_read_back_as_it_was():
    plan = made()
    assert {s.action for s in plan.stages} == {"create", "write", "retire"}
    text = dump_plan(plan)
    assert load_plan(text, "plan.json") == plan
    assert dump_plan(load_plan(text, "plan.json")) == text
    empty = plan_repo(repo_of(*ALL), EMPTY, PlanRequest(environment="dev"))
    assert load_plan(dump_plan(empty), "plan.json") == empty


def test_a_plan_that_was_saved_before_it_told_of_refused_parts_has_none():
    problem = Problem(code="FC402", message="alerts are not in this version", place=Place("a.yaml", 2, 5))
    repo = replace(repo_of(*ALL), unsupported=(problem,))
    plan = plan_repo(repo, EMPTY, PlanRequest(environment="dev"))
    assert plan.unsupported == ("a.yaml:2:5: alerts are not in this version",)
    assert load_plan(dump_plan(plan), "plan.json") == plan
    body = json.loads(dump_plan(plan))["plan"]
    del body["refused"]
    digest = hashlib.sha256(json.dumps(body, ensure_ascii=False).encode()).hexdigest()
    older = json.dumps({"featurectl_plan": 1, "sha256": digest, "plan": body})
    assert load_plan(older, "plan.json") == replace(plan, unsupported=())


def test_a_plan_that_was_changed_by_hand_is_refused():
    text = dump_plan(made())
    for old, new in (('"prod"', '"dev"'), ('"blocked": true', '"blocked": false'), ('"version": 2', '"version": 3')):
        assert old in text
        with pytest.raises(UsageError, match=r"plan\.json was changed after it was made"):
            load_plan(text.replace(old, new, 1), "plan.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "no json", '{"featurectl_plan": 1}'])
def test_what_is_no_plan_is_told_from_one(text):
    with pytest.raises(UsageError, match=r"x\.json is no saved plan"):
        load_plan(text, "x.json")


def test_a_plan_of_a_later_form_is_not_guessed_at():
    text = json.dumps(json.loads(dump_plan(made())) | {"featurectl_plan": 2})
    with pytest.raises(UsageError, match="a plan of form 2; this version reads form 1"):
        load_plan(text, "x.json")


def test_the_options_that_changes_wait_for_free_them_and_their_stages():
    plan = made()
    assert sorted(c.allow for c in plan.blocked) == ["--allow-breaking delays", "--allow-remove old"]
    free = plan.allowing(["--allow-breaking delays"])
    assert [c.name for c in free.blocked] == ["old"]
    assert {s.item.name for s in free.stages if s.blocked} == {"old"}
    assert not plan.allowing(["--allow-breaking delays", "--allow-remove old"]).blocked
    assert plan.allowing(["--allow-remove delays"]) == plan


def test_the_order_of_an_entity_s_keys_is_kept():
    route = Entity(name="route", keys={"z": "string", "a": "string"})
    plan = plan_repo(repo_of(route), EMPTY, PlanRequest(environment="dev"))
    (stage,) = load_plan(dump_plan(plan), "plan.json").stages
    assert list(stage.item.definition["keys"]) == ["z", "a"]
