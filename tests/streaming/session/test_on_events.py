"""Workers predict the events of a model's spine."""

from __future__ import annotations

import pytest

from tests.streaming.session.predicted import PredictedSwipes, run_once


@pytest.fixture
def swipes(tmp_path):
    """A project whose model is trained."""
    return PredictedSwipes(root=tmp_path)


@pytest.mark.long
def test_each_event_has_a_prediction_that_is_named_by_its_place(swipes):
    swipes.send(3, amount=70.0)
    swipes.send(2, card="c2", amount=5.0)
    swipes.send_texts("no event")
    found = run_once(swipes)
    predictions = swipes.predictions()
    assert sorted((of["card"], of["score"] > 0.5, of["error"], of["version"]) for of in predictions) == [
        ("c1", True, None, 1), ("c1", True, None, 1), ("c1", True, None, 1),
        ("c2", False, None, 1), ("c2", False, None, 1),
    ]  # fmt: skip
    assert len({of["prediction_id"] for of in predictions}) == 5
    assert len({(of["topic"], of["partition"], of["offset"]) for of in predictions}) == 5
    [counts] = found.reports[0].predictions
    assert (counts.model, dict(counts.results), counts.waiting, counts.problem) == ("fraud", {"answered": 5}, 0, "")
    assert swipes.logged() == 6
    run_once(swipes)
    assert len(swipes.predictions()) == 5
