"""How the predictions of an environment are logged, by its `prediction_log`."""

from __future__ import annotations

from datetime import timedelta

from featurectl.monitor.canary.lifecycle import keeps_log
from featurectl.operations.prediction_log.place import LOGGED_EVERY_S, predictions_folder
from featurectl.serving.log.parquet import LogPolicy
from featurectl.serving.log.room import LogLimits
from featurectl.workspace.workspace import Workspace


def log_policy(workspace: Workspace, judge_s: float) -> LogPolicy | None:
    """Return how the predictions of the environment are logged; None where they are not."""
    environment = workspace.environment
    sample = environment.prediction_sample
    if sample is None or not keeps_log(environment):
        return None
    keep = timedelta(microseconds=environment.prediction_keep_us)
    limits = LogLimits(keep=keep, max_bytes=environment.prediction_max_bytes)
    every_s = min(LOGGED_EVERY_S, judge_s)
    return LogPolicy(folder=predictions_folder(workspace), sample=sample, limits=limits, every_s=every_s)
