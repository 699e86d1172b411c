"""What models on events read: views of two streams, a view that is pushed, none at all, and what is missing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from featurectl.core.errors import FeaturectlError
from featurectl.predicting import model_predictor
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.streaming import run
from featurectl.streaming.seeding import Seeding
from tests.streaming.session.predicted import MODEL, PredictedSwipes, give_up_after, of_rule, run_once
from tests.streaming.session.running import Running
from tests.streaming.session.swipes import OBJECTS


def with_missing(policy: str) -> str:
    return of_rule("by_amount").replace("    on_events:", f"    missing: {{{policy}}}\n    on_events:")


FACTS = """  - name: facts
    entity: card
    source: swipes_files
    features: [fee]
models:"""
READ = '{view: spend, features: [amount_sum_1h]}\n      - {view: facts, features: "*"}'
PUSHED_TREE = (OBJECTS + MODEL).replace("models:", FACTS).replace('{view: spend, features: "*"}', READ)
PUSHED = of_rule("by_amount", PUSHED_TREE)


@pytest.mark.long
def test_an_event_whose_entity_is_unknown_is_refused(tmp_path: Path):
    swipes = PredictedSwipes(root=tmp_path, objects=with_missing("no_row: reject"))
    swipes.send(card="c1", amount=50.0)
    swipes.send(card=None, amount=50.0)
    found = run_once(swipes)
    of = {each["offset"]: (each["score"], each["error"]) for each in swipes.predictions()}
    assert of == {0: (0.5, None), 1: (None, "the online store has nothing of it: amount_sum_1h")}
    [counts] = found.reports[0].predictions
    assert dict(counts.results) == {"answered": 1, "refused": 1}


@pytest.mark.long
@pytest.mark.parametrize("has_views", [True, False])
def test_a_model_without_views_reads_the_event_alone(tmp_path: Path, *, has_views: bool):
    objects = of_rule("by_first").replace('      - {view: spend, features: "*"}\n', "")
    if not has_views:
        objects = objects[: objects.index("feature_views:")] + objects[objects.index("models:") :]
    swipes = PredictedSwipes(root=tmp_path, objects=objects)
    for amount in (50, None, 25):
        swipes.send(amount=amount)
    found = run_once(swipes)
    of = {each["offset"]: (each["score"], each["error"]) for each in swipes.predictions()}
    no_score = "fraud@1 has no score: is an input null?"
    assert of == {0: (0.5, None), 1: (None, no_score), 2: (0.25, None)}
    assert [{*each} & {"card", "amount"} for each in swipes.predictions()] == [set()] * 3  # it has no entity
    [counts] = found.reports[0].predictions
    assert (dict(counts.results), counts.problem, swipes.logged()) == ({"answered": 2, "failed": 1}, "", 3)


@pytest.mark.long
@pytest.mark.parametrize(("most", "is_refused"), [("1m", True), ("30d", False)])
def test_features_that_are_too_old_are_refused_as_serve_does(tmp_path: Path, most: str, *, is_refused: bool):
    policy = f"    missing: {{stale: reject, max_age: {most}}}\n    on_events:"
    swipes = PredictedSwipes(root=tmp_path, objects=PUSHED_TREE.replace("    on_events:", policy))
    swipes.run("push", "-q")
    swipes.send(3, amount=50.0)
    found = run_once(swipes)
    [counts] = found.reports[0].predictions
    result = "refused" if is_refused else "answered"
    assert (dict(counts.results), swipes.logged()) == ({result: 3}, 3)
    why = "features older than max_age: facts@1" if is_refused else None
    assert [(of["score"] is None, of["error"]) for of in swipes.predictions()] == [(is_refused, why)] * 3
    with TestClient(open_app(ServeSettings(root=str(tmp_path), timeout_s=20, store_timeout_s=10))) as client:
        answer = client.post("/v1/predict/fraud", json={"rows": [{"card": "c1", "amount": 50.0}]})
        assert answer.status_code == (422 if is_refused else 200), answer.text


@pytest.mark.long
def test_a_view_that_is_pushed_is_waited_for_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = Running()
    give_up_after(monkeypatch, 1.0, lambda: found.has_said("events are predicted by fraud@1"))
    swipes = PredictedSwipes(root=tmp_path, objects=PUSHED)
    (tmp_path / "on.db").unlink()
    swipes.send(2, amount=50.0)
    with pytest.raises(FeaturectlError, match="facts"):
        run_once(swipes, found)
    assert swipes.predictions() == []
    swipes.run("push", "-q")
    monkeypatch.setattr(run, "_LOOK_S", 0.0)  # the log has all: it is looked before anything is taken
    run_once(swipes)
    assert [of["score"] for of in swipes.predictions()] == [0.5, 0.5]
    assert swipes.logged() == 2


@pytest.mark.long
def test_lists_that_take_longer_to_make_than_a_run_is_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = Running()
    give_up_after(monkeypatch, 3.0, lambda: found.has_said("events are predicted by fraud@1"))
    monkeypatch.setattr(model_predictor, "_LONGEST_WAIT_S", 0.2)  # until lists that were made are seen
    step, waited = Seeding.step, list[float]()

    def takes_long(*given: Any) -> object:
        """Wait six seconds from when the models are known."""
        waited.extend([time.monotonic()] * found.has_said("events are predicted by"))
        return step(*given) if waited and waited[-1] - waited[0] > 6.0 else "waits"

    monkeypatch.setattr(Seeding, "step", takes_long)
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    swipes.send(2, amount=50.0)
    run_once(swipes, found)
    assert [of["score"] for of in swipes.predictions()] == [0.5, 0.5]
