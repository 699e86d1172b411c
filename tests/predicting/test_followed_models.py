"""Models that are followed while the store, or the registry, is away now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.predicting import followed_models
from featurectl.predicting.followed_models import FollowedModels
from tests.streaming.session.predicted import MODEL, PredictedSwipes
from tests.streaming.session.swipes import OBJECTS, Swipes, wait_for


@pytest.mark.long
def test_a_store_that_is_away_at_first_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(followed_models, "FOLLOW_S", 0.01)
    said: list[str] = []
    with Swipes(root=tmp_path).workspace() as workspace:
        opens, failures = workspace.online_handle, [StoreError("the store is away")] * 3

        def fails() -> object:
            if failures:
                raise failures.pop()
            return opens()

        monkeypatch.setattr(type(workspace), "online_handle", lambda _: fails())
        models = FollowedModels(workspace, "swipes", said.append, allow_pickle=False)
        models.start()
        try:
            wait_for(lambda: not failures and models.problem == "")
        finally:
            models.close()
    assert said == ["models are not followed: the store is away"]


@pytest.mark.long
def test_a_model_whose_predictions_would_be_its_events_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OUT", "sqlite:///./streams.db")
    swipes = PredictedSwipes(root=tmp_path, objects=OBJECTS + MODEL.replace("scores}", 'swipes, url: "${OUT}"}'))
    said: list[str] = []
    with swipes.workspace() as workspace:
        models = FollowedModels(workspace, "swipes", said.append, allow_pickle=False)
        models.start()
        try:
            wait_for(lambda: bool(said))
        finally:
            models.close()
    assert said == ["model fraud predicts nothing: predictions in topic swipes would be events of its own source"]
