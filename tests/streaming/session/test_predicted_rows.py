"""What becomes of single events that a model predicts: among others that are well, each has what is its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.predicting import stream_predictor
from featurectl.predicting.model_predictor import AT_ONCE
from featurectl.predicting.stream_predictor import StreamPredictor
from tests.streaming.session.predicted import PredictedSwipes, of_rule, run_once
from tests.streaming.session.rules import NO_SCORE, RAISES, RAISES_NOTHING

WHERE = of_rule("by_amount").replace("{to: {topic: scores}}", '{to: {topic: scores}, where: "amount > 3"}')
TYPES = of_rule("by_types").replace(
    "amount: float64, at: timestamp}\n    event_time: at\n    dedup_key: [swipe]\n    checks",
    "amount: float64, at: timestamp, day: date, price: 'decimal(10,2)', ok: bool, seen: timestamp}\n"
    "    event_time: at\n    dedup_key: [swipe]\n    checks",
).replace(
    "fee: float64, at: timestamp}",
    "fee: float64, at: timestamp, day: date, price: 'decimal(10,2)', ok: bool, seen: timestamp}",
).replace(
    "{request: {amount: float64}}",
    "{request: {ok: bool, price: 'decimal(10,2)', amount: float64}}",
)  # fmt: skip
TYPES_FURTHER = (",day,price,ok,seen", ",2026-01-05,1.25,true,2026-01-05T00:00:00Z")


@pytest.mark.long
def test_an_event_that_a_model_fails_on_spoils_no_other(tmp_path):
    swipes = PredictedSwipes(root=tmp_path, objects=WHERE)
    amounts = [5, 1, RAISES, NO_SCORE, 50, None, 3, 4, RAISES_NOTHING]
    for amount in amounts:
        swipes.send(amount=amount)
    found = run_once(swipes)
    of = {each["offset"]: (each["score"], each["error"]) for each in swipes.predictions()}
    assert [of[offset] for offset in sorted(of)] == [
        (pytest.approx(0.05), None),
        (None, "fraud@1 has no score: an amount of bad luck"),
        (None, "fraud@1 has no score: is an input null?"),
        (pytest.approx(0.5), None),
        (pytest.approx(0.04), None),
        (None, "fraud@1 has no score: MemoryError"),
    ]
    [counts] = found.reports[0].predictions
    assert dict(counts.results) == {"left_out": 3, "answered": 3, "failed": 3}
    assert swipes.logged() == len(amounts)


@pytest.mark.long
def test_columns_of_all_types_and_nulls_are_asked_for(tmp_path):
    swipes = PredictedSwipes(root=tmp_path, objects=TYPES, further=TYPES_FURTHER)
    swipes.send(day="2026-01-02", price="1.25", ok=True, seen="2026-01-03T04:05:06Z")
    swipes.send(day=None, price=None, ok=None, seen=None)
    swipes.send(card=None, day="2026-01-02", price="1.25", ok=False, seen="2026-01-03T04:05:06Z")
    run_once(swipes)
    of = {each["offset"]: (each["card"], each["score"]) for each in swipes.predictions()}
    assert [of[offset] for offset in range(3)] == [("c1", 113.5), ("c1", 199.0), (None, 112.5)]


@pytest.mark.long
def test_events_that_are_too_old_are_told_as_rejected_and_count(tmp_path):
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_count").replace("scores}}", "scores}, max_age: 20m}"))
    old = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    swipes.send(card="new")  # waits for the lists, and all behind it: the log goes on
    swipes.send(3, at=old, card="new")
    for first, last in ((2, 4), (5, 6)):
        found = run_once(swipes)
        rejected = swipes.rejected()
        assert sorted(json.loads(value)["swipe"] for value in rejected["value"]) == [*range(2, last + 1)]
        assert {text.partition(" as it is ")[0] for text in rejected["_rejected"]} == {"model fraud: not predicted,"}
        assert (swipes.logged(), len(swipes.predictions())) == (swipes.sent, 1)
        [counts] = found.reports[0].predictions
        assert counts.results["too_old"] == 1 + last - first
        swipes.send(2, at=old, card="new")
    swipes.send(card="new")
    run_once(swipes)
    assert [of["score"] for of in swipes.predictions()][1:] == [8.0]  # all before it


@pytest.mark.long
def test_a_turn_predicts_more_than_the_first_events_of_a_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(stream_predictor, "_BUDGET_S", 100.0)
    swipes, waiting = PredictedSwipes(root=tmp_path), []
    of_turn = StreamPredictor.step

    def step(predictor, **given):
        settled = of_turn(predictor, **given)
        waiting.append(predictor.waiting)
        return settled

    monkeypatch.setattr(StreamPredictor, "step", step)
    swipes.send(2 * AT_ONCE + 1)
    run_once(swipes)
    assert len(swipes.predictions()) == 2 * AT_ONCE + 1
    assert {*waiting} <= {0, 2 * AT_ONCE + 1}
