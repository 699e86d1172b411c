"""Which stages run, and what of a machine they may take."""

from __future__ import annotations

import random

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage, Resources
from featurectl.pipelines.machine import Machine, this_machine
from featurectl.pipelines.order import chosen_stages, in_order, ready_stages
from featurectl.pipelines.retries import can_pass, wait_s
from featurectl.pipelines.room import MachineRoom

GIB = 1 << 30


def made(needs):
    return Pipeline(
        name="p", stages=tuple(PipelineStage(name=name, run="push", needs=tuple(of)) for name, of in needs.items())
    )


def names(stages):
    return [stage.name for stage in stages]


DIAMOND = made({"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": [], "e": []})


def test_stages_come_after_what_they_need_else_as_in_the_file():
    assert names(in_order(DIAMOND)) == ["a", "e", "b", "c", "d"]


@pytest.mark.parametrize(
    ("since", "only", "chosen"),
    [
        (None, (), ["a", "e", "b", "c", "d"]),
        ("b", (), ["b", "d"]),
        ("a", (), ["a", "b", "c", "d"]),
        (None, ("d", "a"), ["a", "d"]),
    ],
)
def test_a_run_may_begin_further_down_or_be_of_some_stages(since, only, chosen):
    assert names(chosen_stages(DIAMOND, since, only)) == chosen


def test_a_stage_that_is_none_is_named():
    with pytest.raises(UsageError, match="no stage 'f'"):
        chosen_stages(DIAMOND, "f", ())


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_ready_has_all_that_it_needs(seed):
    """Any pipeline, taken in any order in which stages are ready: each runs once, after its needs."""
    chance = random.Random(seed)
    needs = {f"s{n}": [f"s{m}" for m in range(n) if chance.random() < 0.3] for n in range(8)}
    shuffled = dict(sorted(needs.items(), key=lambda _: chance.random()))
    stages, done = in_order(made(shuffled)), []
    while ready := ready_stages(stages, done, done):
        chosen = chance.choice(ready)
        assert set(needs[chosen.name]) <= set(done)
        done.append(chosen.name)
    assert sorted(done) == sorted(needs)


def test_needs_that_do_not_run_are_not_waited_for():
    stages = chosen_stages(DIAMOND, None, ("d",))
    assert names(ready_stages(stages, (), ())) == ["d"]


def test_a_machine_is_taken_up_to_what_it_has():
    room = MachineRoom(Machine(cpu=4, memory_bytes=8 * GIB))
    assert room.take("a", Resources(cpu=2, memory_bytes=4 * GIB))
    assert not room.take("b", Resources(cpu=1, memory_bytes=5 * GIB))
    assert room.take("c", Resources(cpu=1, memory_bytes=4 * GIB))
    assert room.take("d", Resources())  # one processor
    assert not room.take("e", Resources(cpu=0.5))
    room.give_back("a")
    assert room.take("e", Resources(cpu=0.5))


def test_what_is_too_large_for_a_machine_runs_alone():
    room = MachineRoom(Machine(cpu=4, memory_bytes=8 * GIB))
    large = Resources(cpu=16, memory_bytes=64 * GIB)
    assert room.lacks(large) == "16 processors, of 4 here and 64.0 GiB of memory, of 8.0 here"
    assert room.take("small", Resources())
    assert not room.take("large", large)
    room.give_back("small")
    assert room.take("large", large)
    assert not room.take("small", Resources())


def test_parts_of_a_stage_need_as_much_each():
    room = MachineRoom(Machine(cpu=4, memory_bytes=8 * GIB))
    assert room.needed(Resources(cpu=1, memory_bytes=GIB, replicas=3)) == Machine(cpu=3, memory_bytes=3 * GIB)


def test_no_more_run_at_a_time_than_asked_for():
    room = MachineRoom(Machine(cpu=64, memory_bytes=64 * GIB), most=2)
    assert [room.take(name, Resources()) for name in "abc"] == [True, True, False]


def test_this_machine_has_processors_and_memory():
    machine = this_machine()
    assert machine.cpu > 0
    assert machine.memory_bytes > 64 << 20


def test_waits_double_and_never_keep_step():
    for attempt in range(1, 12):
        most = min(2.0 ** (attempt - 1), 300.0)
        waits = {wait_s(attempt) for _ in range(20)}
        assert all(most / 2 <= wait <= most for wait in waits)
        assert len(waits) > 1


@pytest.mark.parametrize(("code", "passes"), [(69, True), (75, True), (-9, True), (1, False), (64, False), (70, False)])
def test_only_what_can_pass_is_tried_again(code, passes):
    assert can_pass(code, timed_out=False) == passes
    assert can_pass(code, timed_out=True)
