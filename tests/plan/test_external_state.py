"""What is missing outside of the registry is a stage of the plan, and nothing that is there is."""

from dataclasses import replace

from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.plan.external_state import ExternalState
from tests.definitions import ARRIVALS, CARRIER, DELAYS, LATEST, MODEL
from tests.plan.states import EMPTY, plan_of, repo_of, state_of, trained

ALL = (CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)


def created(repo, state, *online, offline=True, **more):
    external = ExternalState(online=frozenset(online), offline=offline)
    plan = plan_repo(repo, state, PlanRequest(environment="dev", external=external, **more))
    stages = [s for s in plan.stages if s.action == "create"]
    return plan, [(s.item.name, s.item.version, s.blocked) if s.item else "folder" for s in stages]


def test_new_views_get_room_online_and_the_first_apply_a_folder():
    plan, stages = created(repo_of(*ALL), EMPTY, offline=False)
    assert stages == ["folder", ("delays", 1, False), ("latest", 1, False)]
    assert [s.action for s in plan.stages] == ["create"] * 3 + ["write"] * 5


def test_what_has_gone_missing_is_created_again_without_a_change():
    plan, stages = created(repo_of(*ALL), state_of(*ALL), ("delays", 1), offline=False)
    assert stages == ["folder", ("latest", 1, False)]
    assert (plan.empty, plan.unchanged) == (False, True)
    assert all(change.kind == "unchanged" for change in plan.changes)


def test_nothing_is_created_when_everything_is_there_or_nobody_has_looked():
    assert created(repo_of(*ALL), state_of(*ALL), ("delays", 1), ("latest", 1))[0].empty
    assert plan_of(repo_of(*ALL), state_of(*ALL)).empty


def test_what_is_known_of_the_folder_is_planned_without_the_online_store():
    unknown = PlanRequest(environment="dev", external=ExternalState(online=None, offline=False))
    known = PlanRequest(environment="dev", external=ExternalState(online=frozenset(), offline=False))
    assert plan_repo(repo_of(*ALL), EMPTY, unknown) == plan_repo(repo_of(*ALL), EMPTY, known)
    (stage,) = plan_repo(repo_of(*ALL), state_of(*ALL), unknown).stages
    assert stage.item is None


def test_a_view_that_is_offline_only_needs_no_room():
    views = (replace(DELAYS, online=False), LATEST)
    assert created(repo_of(CARRIER, ARRIVALS, *views), EMPTY)[1] == [("latest", 1, False)]


def test_a_view_of_unknown_types_waits_for_its_first_materialize():
    unknown = replace(LATEST, features=tuple(replace(f, dtype=None) for f in LATEST.features))
    assert created(repo_of(CARRIER, ARRIVALS, unknown), EMPTY)[1] == []


def test_an_old_version_needs_room_as_long_as_a_model_reads_it():
    repo, state = repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL), state_of(*ALL)
    assert created(repo, state, ("latest", 1))[1] == [("delays", 2, False)]
    bound = replace(state, model_versions=(trained("late", 1, "delays", 1, ["count_1d"]),))
    assert created(repo, bound, ("latest", 1))[1] == [("delays", 1, False), ("delays", 2, False)]


def test_the_room_of_a_blocked_change_waits_with_it():
    repo, state = repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL), state_of(*ALL)
    champion = replace(
        state, model_versions=(trained("late", 1, "delays", 1, ["count_1d"]),), aliases={("late", "champion"): 1}
    )
    assert created(repo, champion, ("delays", 1), ("latest", 1))[1] == [("delays", 2, True)]
    allowed = created(repo, champion, ("delays", 1), ("latest", 1), allow_breaking=("delays",))
    assert allowed[1] == [("delays", 2, False)]
