"""Who predicts the events of a source: made in the process, and by the thread, that works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.streaming.predictions import EventPredictor
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPredictors:
    """Makes who predicts events; `allow_pickle`: models may be such as run code when they are loaded."""

    allow_pickle: bool = False

    def __call__(self, workspace: Workspace, source: Source, say: Callable[[str], None]) -> EventPredictor:
        """Return who predicts the events of a source by the models that are applied, now and later."""
        from featurectl.predicting.followed_models import FollowedModels
        from featurectl.predicting.stream_predictor import StreamPredictor

        models = FollowedModels(workspace, source.name, say, allow_pickle=self.allow_pickle)
        return StreamPredictor(workspace, source, models, say)
