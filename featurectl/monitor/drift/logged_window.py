"""Drift of what was served: the prediction log of a model version next to its profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import polars as pl

from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import moved_by
from featurectl.models.profile.profile import Profile, ProfileTally
from featurectl.monitor.drift.compare import DriftRow, compare_profiles
from featurectl.monitor.drift.reference import load_reference
from featurectl.operations.erased_rows.erased_predictions import may_be_erased, read_kept
from featurectl.operations.prediction_log.event_columns import ANSWERED, answered_at
from featurectl.operations.prediction_log.log_files import open_log, require_sample
from featurectl.registry.applied import choose_version
from featurectl.registry.state import CHAMPION, ModelVersion
from featurectl.workspace.workspace import Workspace

_DAY: Final = timedelta(days=1)  # that a file may be older or newer than the instants in it
_FEATURE: Final = "feature."


def served_drift(workspace: Workspace, model: str, since: datetime, until: datetime) -> Sequence[DriftRow]:
    """Return how far the champion's features and scores have moved in what was served at `since` <= time < `until`.

    Raises:
        UsageError: there is no such model or champion, it has no profile, or the environment keeps no log.
        DataError: FC512, the profile is gone or is not the one that was registered.
        StoreError: FC603, the log can't be read.
    """
    version = choose_version(workspace.state(), model, CHAMPION)
    reference = load_reference(version, workspace.offline_location())
    window = read_window(workspace, version, reference, (since, until))
    return compare_profiles((model, version.version), reference, window)


def read_window(
    workspace: Workspace, version: ModelVersion, reference: Profile, window: tuple[datetime, datetime]
) -> Profile:
    """Return what was served by a version in a window, counted as a profile is, without what is erased.

    Raises:
        UsageError: the environment keeps no log.
        StoreError: FC603, a file can't be read.
    """
    require_sample(workspace.environment, "in which served features are", ", or --batch SPINE")
    between = (None, None) if workspace.clock is None else (moved_by(window[0], -_DAY), moved_by(window[1], _DAY))
    files = open_log(workspace, version.model).files([version.version], *between)
    tally = ProfileTally(reference)
    erased = may_be_erased(workspace, version.model)
    for rows in read_kept(files, _schema(version), partial(_answered, window=window), erased):
        inputs = rows.select(pl.col(f"{_FEATURE}{item.name}").alias(item.name) for item in version.inputs)
        tally.add(inputs, rows["score"])
    return tally.profile()


def _answered(rows: pl.LazyFrame, window: tuple[datetime, datetime]) -> pl.LazyFrame:
    """Return the predictions of a window: the model's inputs and the score; those that failed have neither."""
    at = answered_at()
    return rows.filter((at >= window[0]) & (at < window[1]) & pl.col("error").is_null())


def _schema(version: ModelVersion) -> pl.Schema:
    own: dict[str, pl.DataType] = {**ANSWERED, "score": pl.Float64(), "error": pl.String()}
    return pl.Schema(own | {f"{_FEATURE}{item.name}": polars_dtype(item.dtype) for item in version.inputs})
