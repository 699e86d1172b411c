import re
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from featurectl.core.errors import PlanError, ProblemsError, TryAgainError, UsageError
from featurectl.language.problems.codes import Problem
from featurectl.language.syntax.place import Place
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.apply import ApplyTarget, apply_plan, check_supported, describe
from featurectl.plan.plan import Stage
from featurectl.registry.base import lock_holder
from featurectl.registry.sql import SqlRegistry
from featurectl.workspace.actor import Actor, caller
from tests.definitions import ARRIVALS, CARRIER, DELAYS, LATEST, MODEL
from tests.plan.states import plan_of, repo_of

REPO = repo_of(CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)
AUTHOR = Actor(who="ana@host", commit="3f2c1ab", at=datetime(2026, 11, 24, tzinfo=UTC))


@pytest.fixture
def applying(tmp_path):
    """What applies a plan to a registry, with an online store of its own."""

    def apply(registry, plan, author=AUTHOR):
        store = SqliteStore(tmp_path / "online.db")
        try:
            return apply_plan(ApplyTarget(registry=registry, online=store, environment="dev"), plan, author)
        finally:
            store.close()

    return apply


@pytest.fixture
def registry(tmp_path):
    registry = SqlRegistry(f"sqlite:///{tmp_path}/new/registry.db")
    yield registry
    registry.close()


def planned(registry, repo=REPO, *allow_remove):
    return plan_of(repo, registry.load_state("flights"), *allow_remove)


def test_an_applied_plan_is_what_the_registry_holds(applying, registry):
    state = applying(registry, planned(registry), AUTHOR)
    assert state == registry.load_state("flights")
    assert sorted((o.kind, o.name, o.version) for o in state.objects) == [
        ("entity", "carrier", 1),
        ("feature_view", "delays", 1),
        ("feature_view", "latest", 1),
        ("model", "late", 1),
        ("source", "arrivals", 1),
    ]
    again = planned(registry)
    assert again.empty
    assert again.serial == 1


def test_only_what_differs_is_written(applying, registry):
    applying(registry, planned(registry), AUTHOR)
    plan = planned(registry, repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL))
    assert [(s.action, s.item.name, s.item.version) for s in plan.stages] == [
        ("create", "delays", 2),
        ("write", "delays", 2),
        ("retire", "delays", 1),
    ]
    state = applying(registry, plan, AUTHOR)
    assert {(o.version, o.current) for o in state.objects if o.name == "delays"} == {(1, False), (2, True)}


def test_the_history_tells_who_and_what(applying, registry):
    applying(registry, planned(registry), AUTHOR)
    repo = repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), MODEL)
    applying(registry, planned(registry, repo, "latest"), replace(AUTHOR, who="ben@host", commit=""))
    told = [(e.serial, e.who, e.commit, e.command, e.summary) for e in registry.read_history("flights")]
    assert told == [
        (2, "ben@host", "", "apply", "1 changed (1 breaking), 1 removed"),
        (1, "ana@host", "3f2c1ab", "apply", "5 added"),
    ]


def test_nothing_to_do_writes_nothing(applying, registry):
    applying(registry, planned(registry), AUTHOR)
    plan = planned(registry)
    assert describe(plan) == "nothing"
    assert applying(registry, plan, AUTHOR).serial == 1
    assert len(registry.read_history("flights")) == 1


def test_a_blocked_plan_is_refused_whole(applying, registry):
    applying(registry, planned(registry), AUTHOR)
    before = registry.load_state("flights")
    plan = planned(registry, repo_of(CARRIER, replace(ARRIVALS, path="new"), LATEST))
    with pytest.raises(
        PlanError, match=r'feature view "delays" would be removed: used by model late \(and 1 more\)'
    ) as caught:
        applying(registry, plan, AUTHOR)
    assert (caught.value.code, caught.value.hint) == ("FC412", "--allow-remove delays --allow-remove late")
    assert registry.load_state("flights") == before


def test_a_plan_is_refused_once_the_registry_has_moved_also_from_empty(applying, registry):
    plan = planned(registry)
    assert plan.registry_id == ""
    applying(registry, plan, AUTHOR)
    for _ in range(2):
        with pytest.raises(TryAgainError, match="serial 0 then, 1 now"):
            applying(registry, plan, AUTHOR)
    assert registry.load_state("flights").serial == 1


def test_a_plan_for_another_registry_is_refused(applying, registry, tmp_path):
    applying(registry, planned(registry), AUTHOR)
    other = SqlRegistry(f"sqlite:///{tmp_path}/other.db")
    applying(other, planned(other), AUTHOR)
    change = planned(registry, repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL))
    with pytest.raises(TryAgainError):
        applying(other, change, AUTHOR)
    other.close()


def test_the_lock_is_free_after_a_failure(applying, registry):
    plan = planned(registry)
    broken = replace(
        plan, stages=(*plan.stages, Stage(action="write", item=replace(plan.stages[0].item, definition={"a": {1}})))
    )
    with pytest.raises(TypeError):
        applying(registry, broken, AUTHOR)
    assert registry.load_state("flights").serial == 0
    applying(registry, planned(registry), AUTHOR)


def test_while_another_holds_the_lock_nothing_is_written(applying, registry, tmp_path):
    other = SqlRegistry(f"sqlite:///{tmp_path}/new/registry.db")
    with other.lock("flights", "ben@host"), pytest.raises(TryAgainError, match="locked by ben@host"):
        applying(registry, planned(registry), AUTHOR)
    assert registry.load_state("flights").serial == 0
    other.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_two_that_apply_the_same_plan_at_once_one_is_told_to_try_again(applying, kind, request, tmp_path):
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/registry.db"
    registries = [SqlRegistry(url) for _ in range(2)]
    plans = [planned(registry) for registry in registries]
    gate, came = threading.Barrier(2), []

    def run(registry, plan):
        gate.wait()
        try:
            came.append(applying(registry, plan, AUTHOR).serial)
        except TryAgainError as error:
            came.append(type(error))

    threads = [threading.Thread(target=run, args=pair) for pair in zip(registries, plans, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came, key=str) == [1, TryAgainError]
    assert len(registries[0].read_history("flights")) == 1
    for registry in registries:
        registry.close()


def test_a_repository_that_uses_what_is_not_in_this_version_is_refused():
    check_supported(REPO)
    problem = Problem(code="FC402", message="pipelines are not in this version", place=Place("p.yaml", 1))
    with pytest.raises(ProblemsError) as caught:
        check_supported(replace(REPO, unsupported=(problem,)))
    assert caught.value.problems == (problem,)


def test_the_caller_is_whom_the_variable_names(monkeypatch):
    monkeypatch.setenv("FEATURECTL_ACTOR", " dependabot[bot] ")
    assert caller() == "dependabot[bot]"
    assert re.fullmatch(r"eve on .+, pid \d+, featurectl apply", lock_holder("eve", "featurectl apply"))
    for wrong in ("ana\neve", "\x1b[2J", "a" * 101):
        monkeypatch.setenv("FEATURECTL_ACTOR", wrong)
        with pytest.raises(UsageError, match="FEATURECTL_ACTOR is no name"):
            caller()


def test_the_caller_has_a_user_and_a_host(monkeypatch):
    monkeypatch.delenv("FEATURECTL_ACTOR", raising=False)
    monkeypatch.setenv("LOGNAME", "ana")
    assert caller().split("@")[0] == "ana"
    assert caller().split("@")[1]
