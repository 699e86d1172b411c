"""Canaries in every registry: one at a time, decided once, aliases and history with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.language.definitions.gates import CanarySuccess
from featurectl.registry.state import CanaryRun
from tests.registry.test_contract import ENTRY, MODEL, MOVED, race, write

RUN = CanaryRun(
    model="late",
    number=0,
    champion=1,
    challenger=2,
    environment="prod",
    percent=12.5,
    for_us=30 * 60 * 10**6 * 10**3,
    min_requests=None,
    success=CanarySuccess(latency_p99_ms=100.0, freshness_us=7_200_000_000),
    started_at=datetime(2026, 11, 25, 9, 0, 0, 125_000, tzinfo=UTC),
)
STARTED = replace(ENTRY, command="models canary start", summary="late v2 as a canary at 12.5%")


def ended(run, state, reason="all hold"):
    decided_at = run.started_at + timedelta(minutes=30)
    return replace(run, state=state, decided_at=decided_at, reason=reason, figures={"challenger": {"requests": 7}})


@pytest.fixture
def two(registry):
    """A registry with two versions of a model, the first the champion."""
    registry.write_model_version("flights", MODEL, ["champion"])
    registry.write_model_version("flights", MODEL, [])
    return registry


def test_a_canary_is_read_back_whole_and_its_version_is_the_challenger(two, open_registry):
    assert two.start_canary("flights", RUN, STARTED) == replace(RUN, number=1)
    state = open_registry().load_state("flights")
    assert state.canaries == (replace(RUN, number=1),)
    assert state.running_canary("late") == replace(RUN, number=1)
    assert state.running_canary("other") is None
    assert state.aliases == {("late", "champion"): 1, ("late", "challenger"): 2}
    told = two.read_history("flights")[0]
    assert (state.serial, told) == (3, replace(STARTED, serial=3))
    assert two.load_state("other").canaries == ()


@pytest.mark.sample(5)
@pytest.mark.parametrize(
    ("state", "aliases"),
    [
        ("promoted", {("late", "champion"): 2, ("late", "previous"): 1}),
        ("rolled_back", {("late", "champion"): 1}),
        ("aborted", {("late", "champion"): 1}),
    ],
)
def test_the_end_of_a_canary_moves_the_aliases_in_one_entry_of_history(two, state, aliases):
    run = two.start_canary("flights", RUN, STARTED)
    entry = replace(MOVED, command="serve", summary=f"late v2 {state}")
    assert two.decide_canary("flights", ended(run, state), entry)
    found = two.load_state("flights")
    assert (found.aliases, found.serial) == (aliases, 4)
    assert (found.running_canary("late"), found.canaries) == (None, (ended(run, state),))
    assert two.read_history("flights")[0] == replace(entry, serial=4)


def test_a_canary_that_was_decided_is_not_decided_again(two):
    run = two.start_canary("flights", RUN, STARTED)
    assert two.decide_canary("flights", ended(run, "aborted"), MOVED)
    before = two.load_state("flights")
    assert not two.decide_canary("flights", ended(run, "promoted"), MOVED)
    assert two.load_state("flights") == before
    assert len(two.read_history("flights")) == 4


def test_of_judges_that_decide_at_once_one_does(two, open_registry):
    run = two.start_canary("flights", RUN, STARTED)
    states = ["promoted", "rolled_back", "aborted", "promoted"]
    came = race(open_registry, 4, lambda registry, n: registry.decide_canary("flights", ended(run, states[n]), MOVED))
    assert sorted(came) == [False, False, False, True]
    state = two.load_state("flights")
    assert state.canaries == (ended(run, states[came.index(True)]),)
    assert (state.serial, len(two.read_history("flights"))) == (4, 4)


def test_a_second_canary_of_a_model_is_refused_until_the_first_has_ended(two):
    run = two.start_canary("flights", RUN, STARTED)
    with pytest.raises(TryAgainError, match="a canary of model late is running: version 2 beside version 1, in prod"):
        two.start_canary("flights", RUN, STARTED)
    assert two.load_state("flights").serial == 3
    two.decide_canary("flights", ended(run, "aborted"), MOVED)
    assert two.start_canary("flights", RUN, STARTED).number == 2


def test_of_canaries_begun_at_once_one_is(two, open_registry):
    def begin(registry, _number):
        try:
            return registry.start_canary("flights", RUN, STARTED)
        except TryAgainError:
            return None

    came = race(open_registry, 4, begin)
    assert came.count(None) == 3
    assert [run.number for run in two.load_state("flights").canaries] == [1]


def test_a_version_that_is_not_there_or_was_rejected_is_refused(two):
    two.write_model_version("flights", replace(MODEL, status="rejected"), [])
    for version, told in ((3, "version 3 was rejected by its gates"), (4, "no version 4")):
        with pytest.raises(UsageError, match=told):
            two.start_canary("flights", replace(RUN, challenger=version), STARTED)
    assert two.load_state("flights").aliases == {("late", "champion"): 1}


def test_a_champion_that_moved_meanwhile_is_not_replaced(two):
    two.write_model_version("flights", MODEL, [])
    with pytest.raises(TryAgainError, match="the champion of model late is version 1 by now, not version 3"):
        two.start_canary("flights", replace(RUN, champion=3), STARTED)
    run = two.start_canary("flights", RUN, STARTED)
    two.write_alias("flights", "late", "champion", 3, MOVED)
    before = two.load_state("flights")
    with pytest.raises(TryAgainError, match="is version 3 by now, not version 1"):
        two.decide_canary("flights", ended(run, "promoted"), MOVED)
    assert two.load_state("flights") == before
    assert two.decide_canary("flights", ended(run, "aborted"), MOVED)
    assert two.load_state("flights").aliases == {("late", "champion"): 3, ("late", "previous"): 1}


def test_a_challenger_that_is_another_version_by_now_stays_at_the_end(two):
    two.write_model_version("flights", MODEL, [])
    run = two.start_canary("flights", RUN, STARTED)
    two.write_alias("flights", "late", "challenger", 3, MOVED)
    two.decide_canary("flights", ended(run, "rolled_back"), MOVED)
    assert two.load_state("flights").aliases == {("late", "champion"): 1, ("late", "challenger"): 3}


def test_a_canary_of_a_project_is_none_of_another(two):
    run = two.start_canary("flights", RUN, STARTED)
    write(two, two.load_state("other"))
    assert not two.decide_canary("other", ended(run, "aborted"), MOVED)
    assert two.load_state("flights").running_canary("late") == run
