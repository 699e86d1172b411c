"""The models that predict events are followed: what can't be had waits, what is promoted goes on, what goes stays."""

from __future__ import annotations

from collections import Counter

import pytest

from featurectl.core.errors import StoreError
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.source import Source
from featurectl.predicting.event_columns import is_wanted
from featurectl.streaming.event_decoder import EventDecoder
from tests.streaming.session import rules
from tests.streaming.session.predicted import MODEL, PredictedSwipes, give_up_after, of_rule, predicting, run_once
from tests.streaming.session.running import Running
from tests.streaming.session.swipes import OBJECTS, wait_for

SECOND = """
  - name: other
    spine: {source: swipes, time: at, known_at: available_at, label: {name: dear, expr: swipe % 3 = 1}}
    features: [{view: spend, features: "*"}, {request: {amount: float64}}]
    on_events: {to: {topic: others}}
    allow_pickle: true
    trainer: {estimator: "tests.streaming.session.rules:by_amount"}
"""


def test_a_column_that_events_do_not_have_yet_is_null():
    source = Source(name="s", format="csv", path="s", columns={"a": "int64", "at": "timestamp"}, event_time="at")
    decoder = EventDecoder(source)
    where = type_expression("b > 3 or a > 3", {"a": "int64", "b": "int64"})
    holds = is_wanted(OnEvents(topic="t", where=where), decoder)
    assert [holds((a, 0)) for a in (4, 3, None)] == [True, False, False]


@pytest.mark.long
def test_what_a_model_that_can_not_be_loaded_is_to_predict_waits(tmp_path, monkeypatch):
    swipes = PredictedSwipes(root=tmp_path, objects=OBJECTS + MODEL + SECOND)
    swipes.run("train", "other", "-q", "--allow-pickle")
    found = Running()

    def is_ready() -> bool:
        counts = [counts.results for report in found.reports for counts in report.predictions]
        return found.has_said("other@1 can't be had") and sum(of.get("answered", 0) for of in counts) == 700

    give_up_after(monkeypatch, 1.0, is_ready)
    swipes.send(700, amount=70.0)
    with pytest.raises(StoreError, match=r"model other@1 can't be had: this model .*; allow it: --allow-pickle"):
        run_once(swipes, found, allow_pickle=False)
    assert swipes.predicted() == 700
    assert swipes.predictions("others") == []
    run_once(swipes)
    assert swipes.predicted("others") == 700
    assert swipes.logged() == 700


@pytest.mark.long
def test_a_model_whose_golden_rows_fail_predicts_nothing(tmp_path, monkeypatch):
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    found = Running()
    give_up_after(monkeypatch, 1.0, lambda: found.has_said("fraud@1 can't be had") and swipes.values() is not None)
    swipes.send(3, amount=70.0)
    right = rules.by_amount
    monkeypatch.setattr(rules, "by_amount", lambda matrix: matrix[:, 2] * 0)
    with pytest.raises(StoreError, match=r"model fraud@1 can't be had: .*golden"):
        run_once(swipes, found)
    assert swipes.predictions() == []
    assert swipes.values() is not None  # lists do not wait for predictions
    monkeypatch.setattr(rules, "by_amount", right)
    run_once(swipes)
    assert swipes.predicted() == 3


@pytest.mark.long
def test_each_event_is_predicted_once_while_models_change(tmp_path):
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    swipes.apply(of_rule("by_count"))
    swipes.run("train", "fraud", "-q", "--allow-pickle")
    with predicting(swipes) as found:

        def send_until(is_so):
            swipes.send(3, amount=50.0)
            return is_so()

        wait_for(lambda: send_until(lambda: {of["version"] for of in swipes.predictions()} == {1}))
        swipes.run("models", "promote", "fraud@2", "--allow-pickle", "-q")
        wait_for(lambda: send_until(lambda: {of["version"] for of in swipes.predictions()} == {1, 2}))
        swipes.apply(of_rule("by_count").replace("topic: scores", "topic: more"))
        wait_for(lambda: send_until(lambda: swipes.predictions("more")))
        wait_for(lambda: swipes.predicted("scores", "more") == swipes.sent)
    predictions = [*swipes.predictions(), *swipes.predictions("more")]
    assert Counter(Counter(of["prediction_id"] for of in predictions).values()) == {1: swipes.sent}
    assert swipes.logged() == swipes.sent
    for of in predictions:
        assert (of["score"] == 0.5) == (of["version"] == 1)
    assert [line for line in found.said if "fraud@2, to more" in line]


@pytest.mark.long
def test_nothing_is_predicted_by_a_model_without_a_version(tmp_path):
    swipes = PredictedSwipes(root=tmp_path, objects=OBJECTS + MODEL + SECOND)
    swipes.send(5)
    found = run_once(swipes)
    assert [line for line in found.said if "other has no champion" in line]
    assert (len(swipes.predictions()), swipes.predictions("others"), swipes.logged()) == (5, [], 5)
