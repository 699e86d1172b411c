"""No answer of the simulation is wrong, and each rule of the mechanism is needed for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.seeds import seeds_from
from tests.streaming.model.history import History, Verdict
from tests.streaming.model.rules import MUTANTS, Rules

SAMPLE, WHOLE = 5, 1000
STORES = {"one server": (1, False), "older snapshots": (1, True), "cluster": (3, False), "fail-overs": (3, True)}
# A history in which a rule is missed: its seed, and the store.
MISSED_IN: dict[str, tuple[int, str]] = {}


def play(seed: int, store: str, rules: Rules) -> Verdict:
    nodes, loses = STORES[store]
    return History(seed, rules, nodes=nodes, loses=loses).run()


def wrong_in(seeds: range, store: str) -> dict[int, str]:
    verdicts = {seed: play(seed, store, Rules()) for seed in seeds}
    return {seed: verdict.wrong[0] for seed, verdict in verdicts.items() if verdict.wrong}


@pytest.mark.parametrize("store", STORES)
def test_no_answer_is_wrong_whatever_came_between(store: str):
    assert wrong_in(seeds_from(0, SAMPLE), store) == {}


@pytest.mark.stress
@pytest.mark.parametrize("store", STORES)
def test_no_answer_is_wrong_in_many_histories(store: str):
    assert wrong_in(seeds_from(SAMPLE, WHOLE), store) == {}


@pytest.mark.parametrize("rule", MUTANTS)
def test_an_answer_is_wrong_where_a_rule_is_missing(rule: str):
    seed, store = MISSED_IN[rule]
    assert play(seed, store, replace(Rules(), **{rule: False})).wrong


def test_histories_have_what_they_are_about():
    """Reads, lost races of compactors, rebuilds, repeats and losses, and few answers in declared gaps."""
    total: Counter[str] = Counter()
    for seed in range(SAMPLE):
        verdict = play(seed, "fail-overs", Rules())
        total += Counter({name: getattr(verdict, name) for name in Verdict.__slots__ if name != "wrong"})
    assert min(total[name] for name in ("compactions", "lost_races", "losses", "switches", "repeats")) > 0
    assert total["reads"] > 5 * total["unanswered"]
    assert total["reads"] > 100 * total["in_gaps"]
