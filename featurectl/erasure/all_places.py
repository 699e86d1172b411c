"""The places that hold rows of entities, in the order in which they are cleaned: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featurectl.erasure.base import ErasurePlace
from featurectl.erasure.model_rows import ModelRowsPlace
from featurectl.erasure.offline_tables import OfflineTables
from featurectl.erasure.online_store import OnlineStorePlace
from featurectl.erasure.prediction_log import PredictionLogPlace
from featurectl.erasure.score_checkpoints import ScoreCheckpointsPlace
from featurectl.erasure.stream_logs import StreamLogsPlace
from featurectl.erasure.stream_state import StreamStatePlace
from featurectl.erasure.topics import TopicsPlace

# What others are made of comes first: a run that is killed leaves nothing that fills again what was cleaned.
PLACES: Final[Mapping[str, Callable[[], ErasurePlace]]] = {
    "topics": TopicsPlace,
    "logs of streams": StreamLogsPlace,
    "offline tables": OfflineTables,
    "state of streams": StreamStatePlace,
    "online store": OnlineStorePlace,
    "rows beside models": ModelRowsPlace,
    "score checkpoints": ScoreCheckpointsPlace,
    "prediction log": PredictionLogPlace,  # last: it waits for what servers hold
}
