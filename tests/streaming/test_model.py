"""No answer of the simulation is wrong, and each rule of the mechanism is needed for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.seeds import seeds_from
from tests.streaming.model.compactor import Compaction
from tests.streaming.model.history import History, Verdict
from tests.streaming.model.reader import Answered, Reader
from tests.streaming.model.register import KnownStamps
from tests.streaming.model.rules import MUTANTS, Rules
from tests.streaming.model.store import Store
from tests.streaming.model.views import Record

SAMPLE, WHOLE = 3, 1000
STORES = {"one server": (1, False), "older snapshots": (1, True), "cluster": (3, False), "fail-overs": (3, True)}
AGAIN = "topics made again, "  # and what else
# A history in which a rule is missed: its seed, and the store.
MISSED_IN: dict[str, tuple[int, str]] = {
    "claim_refuses_gap": (5, "older snapshots"),
    "stamps_are_whole": (1, "fail-overs"),
    "known_stamps_are_whole": (223, "older snapshots"),
    "heartbeat_at_end": (44, "older snapshots"),
    "partition_begins_at_asof": (0, "one server"),
    "newest_asof": (0, "older snapshots"),
    "marks_are_read": (3, "fail-overs"),
    "tiles_behind_asof": (0, "one server"),
    "content_is_compared": (7, "one server"),
    "done_refuses_gap": (3, "one server"),
    "stamps_increase": (6, "one server"),
    "heartbeat_compares": (1, "fail-overs"),
    "generations_are_named": (0, "one server"),
    "asof_before_rows": (0, "one server"),
    "generation_is_checked": (0, "one server"),
    "columns_wait": (5, "one server"),
    "tile_ends_behind_asof": (16, "one server"),
    "unseeded_waits": (10, "one server"),
    "trim_keeps_reach": (0, "one server"),
    "frontier_is_kept": (0, "one server"),
    "lost_register_is_void": (357, "fail-overs"),
    "logged_stamps_stay": (13, "older snapshots"),
    "seeds_are_counted": (72, "older snapshots"),
    "increments_by_offset": (0, "one server"),
    "empty_heads_stay": (21, "one server"),
    "repeats_stay": (12, "one server"),
    "start_at_lesser": (0, "one server"),
    "reconnection_restarts": (20, "older snapshots"),
    "newest_stamp_counts": (291, "fail-overs"),
    "log_reads_transaction": (0, "one server"),
    "retired_are_refused": (33, f"{AGAIN}cluster"),
    "retired_are_rebuilt": (0, f"{AGAIN}older snapshots"),
    "retired_are_not_logged": (14, f"{AGAIN}fail-overs"),
}


def play(seed: int, store: str, rules: Rules) -> Verdict:
    nodes, loses = STORES[store.removeprefix(AGAIN)]
    return History(seed, Store(nodes, rules), loses=loses, remakes=store.startswith(AGAIN)).run()


def wrong_in(seeds: range, store: str) -> dict[int, str]:
    verdicts = {seed: play(seed, store, Rules()) for seed in seeds}
    return {seed: verdict.wrong[0] for seed, verdict in verdicts.items() if verdict.wrong}


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("store", [*STORES, f"{AGAIN}one server", f"{AGAIN}fail-overs", f"{AGAIN}older snapshots"])
def test_no_answer_is_wrong_whatever_came_between(store: str):
    assert wrong_in(seeds_from(0, SAMPLE), store) == {}


@pytest.mark.stress
@pytest.mark.parametrize("store", [*STORES, *(AGAIN + store for store in STORES)])
def test_no_answer_is_wrong_in_many_histories(store: str):
    assert wrong_in(seeds_from(SAMPLE, WHOLE), store) == {}


@pytest.mark.long
@pytest.mark.sample(6)
@pytest.mark.parametrize("rule", MISSED_IN)
def test_an_answer_is_wrong_where_a_rule_is_missing(rule: str):
    seed, store = MISSED_IN[rule]
    assert play(seed, store, Rules()).wrong == []
    assert play(seed, store, replace(Rules(), **{rule: False})).wrong


def test_each_rule_is_missed_somewhere():
    assert {*MISSED_IN, "compaction_reads_marks"} == {*MUTANTS}


def after_fail_over(rules: Rules) -> Answered:
    """What a slow reader answers of a master that lost the second of two events, and was compacted then."""
    store = Store(2, rules)
    store.add_partition()
    reader = None
    for offset in (0, 1):
        claim = store.register.claim(0, range(offset, offset + 1), 1.0 + offset, KnownStamps(logged={}, own={}))
        assert claim is not None
        record = Record(stamp=claim.stamps[offset], partition=0, offset=offset, time=0.5 + offset, key=offset)
        store.nodes[1].append((0, "state", 1), record)
        assert all(node.mark(0, 0, 0, range(offset, offset + 1)) for node in store.nodes)
        assert store.register.finish(0, offset, offset + 1, claim.generations)
        if reader is None:
            reader = Reader(store, "state", 1, 0.0)
            store.replicate(1)
    assert reader is not None
    store.fail_over(1)
    Compaction.read(store, "state", 1).write(store, 3.0)
    answered = reader.finish(store, 0)
    assert answered is not None
    return answered


def test_a_master_that_lost_records_is_not_compacted():
    assert after_fail_over(Rules()).at == 1.0
    promised = after_fail_over(replace(Rules(), compaction_reads_marks=False))
    assert (promised.at, promised.counted) == (2.0, Counter({(0, 0): 1}))  # the second event was to be seen by then


@pytest.mark.long
def test_histories_have_what_they_are_about():
    """Reads, lost races of compactors, rebuilds, repeats and losses, and few answers in declared gaps."""
    total: Counter[str] = Counter()
    for seed in range(SAMPLE):
        verdict = play(seed, "older snapshots", Rules())
        total += Counter({name: getattr(verdict, name) for name in Verdict.__slots__ if name != "wrong"})
    assert min(total[name] for name in ("compactions", "lost_races", "losses", "switches", "repeats")) > 0
    assert total["reads"] > 5 * total["unanswered"]
    assert total["reads"] > 50 * total["in_gaps"]
