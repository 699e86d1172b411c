"""What a plan does, decided anew, is what it says: of every kind of object and of change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.identity.registered_kinds import REGISTERED
from featurectl.language.definitions.fitting import fits
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.plan.desired import desired_objects
from featurectl.plan.external_state import ExternalState
from featurectl.plan.recheck import decide_again
from featurectl.plan.saved import dump_plan, load_plan
from tests.definitions import ARRIVALS, CARRIER, DELAYS, LATEST, MODEL
from tests.language.repository import load
from tests.plan.states import EMPTY, repo_of, state_of, trained

ALL = (CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)
STATE = replace(
    state_of(*ALL, replace(LATEST, name="old")),
    model_versions=(trained("late", 1, "delays", 1, ["count_1d"]),),
    aliases={("late", "champion"): 1},
)
MOVED = replace(ARRIVALS, path="elsewhere/*.parquet")
CHANGES = {
    "nothing": ALL,
    "breaking": (CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL),
    "removed": (CARRIER, ARRIVALS, DELAYS, MODEL),
    "a feature less": (CARRIER, ARRIVALS, replace(DELAYS, features=DELAYS.features[1:], derived=()), LATEST, MODEL),
    "new": (*ALL, replace(LATEST, name="newer")),
    "moved": (CARRIER, MOVED, replace(DELAYS, source=MOVED), replace(LATEST, source=MOVED), MODEL),
}


@pytest.mark.parametrize("state", [EMPTY, STATE], ids=["empty", "applied"])
@pytest.mark.parametrize("wanted", CHANGES.values(), ids=CHANGES)
def test_a_plan_that_nobody_has_edited_is_decided_as_it_was_made(wanted, state):
    external = ExternalState(online=frozenset(), offline=False)
    plan = plan_repo(repo_of(*wanted), state, PlanRequest(environment="prod", external=external))
    assert decide_again(load_plan(dump_plan(plan), "p.json"), state, "p.json") == plan


def test_what_was_allowed_when_the_plan_was_made_stays_allowed():
    wanted = repo_of(*CHANGES["breaking"])
    request = PlanRequest(environment="prod", allow_breaking=("delays",), allow_remove=("old",))
    plan = plan_repo(wanted, STATE, request)
    assert not plan.blocked
    assert decide_again(plan, STATE, "p.json") == plan


def test_every_definition_has_the_types_that_its_class_says(tmp_path):
    files = {"all.yaml": Path(__file__).parent.parent.joinpath("contracts/language.yaml").read_text()}
    files["more.yaml"] = Path(__file__).parent.parent.joinpath("language/more_of_the_language.yaml").read_text()
    seen = set()
    for item in desired_objects(load(tmp_path, files)):
        assert fits(REGISTERED[item.kind].load(json.loads(json.dumps(item.definition)))), (item.kind, item.name)
        seen.add(item.kind)
    assert seen == set(REGISTERED)
