"""Drift of what was served: the prediction log of a model version next to its profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from featurectl.engines.polars.types import polars_dtype
from featurectl.errors import StoreError, UsageError
from featurectl.models.profile.profile import Profile, ProfileTally
from featurectl.monitor.drift.compare import DriftRow, compare_profiles
from featurectl.monitor.drift.reference import load_reference
from featurectl.registry.applied import choose_version
from featurectl.registry.state import CHAMPION, ModelVersion, State
from featurectl.spec.repo import Environment
from featurectl.units import moved_by

_FILES: Final = 16  # read together
_CLOCKS: Final = timedelta(days=1)  # that a file may be older or newer than the instants in it
_FEATURE: Final = "feature."


class Logged(Protocol):
    """A repository and one of its environments, which may keep a prediction log."""

    @property
    def project(self) -> str:
        """The project's name."""

    @property
    def environment(self) -> Environment:
        """The environment."""

    def state(self) -> State:
        """Return the project as the registry knows it now."""

    def offline_location(self) -> str:
        """Return where the offline store is."""


def served_drift(workspace: Logged, model: str, since: datetime, until: datetime) -> Sequence[DriftRow]:
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
    workspace: Logged, version: ModelVersion, reference: Profile, window: tuple[datetime, datetime]
) -> Profile:
    """Return what was served by a version in a window, counted as a profile is.

    Raises:
        UsageError: the environment keeps no log, or keeps it in an object store.
        StoreError: FC603, a file can't be read.
    """
    tally = ProfileTally(reference)
    folder = _log_folder(workspace) / version.model / f"v{version.version}"
    pinned = workspace.environment.now is not None
    files = _files(folder, None if pinned else window)
    for start in range(0, len(files), _FILES):
        rows = _read(files[start : start + _FILES], version, window)
        inputs = rows.select(pl.col(f"{_FEATURE}{item.name}").alias(item.name) for item in version.inputs)
        tally.add(inputs, rows["score"])
    return tally.profile()


def _log_folder(workspace: Logged) -> Path:
    name, sample = workspace.environment.name, workspace.environment.prediction_sample
    if not sample or sample <= 0:
        told = f"environment {name} has no prediction log, in which served features are"
        raise UsageError(told, hint="prediction_log: {sample: 0.01} in featurectl.yaml, or --batch SPINE")
    location = workspace.offline_location()
    if "://" in location:
        told = f"the prediction log of environment {name} is in an object store: drift is read from one in a folder"
        raise UsageError(told, hint="give the environment an `offline:` that is a folder, or --batch SPINE")
    return Path(location) / workspace.project / "predictions" / name


def _files(folder: Path, window: tuple[datetime, datetime] | None) -> list[Path]:
    """Return the files that may hold rows of a window: by their days, unless the clock of the log was no real one."""
    found = sorted(folder.glob("????-??-??/[!.]*.parquet"))
    if window is None:
        return found
    first, last = (moved_by(window[0], -_CLOCKS).date().isoformat(), moved_by(window[1], _CLOCKS).date().isoformat())
    return [file for file in found if first <= file.parent.name <= last]


def _read(files: Sequence[Path], version: ModelVersion, window: tuple[datetime, datetime]) -> pl.DataFrame:
    """Return the predictions of a window: the model's inputs and the score; those that failed have neither."""
    rows = pl.scan_parquet(list(files), schema=_schema(version), missing_columns="insert", extra_columns="ignore")
    inside = (pl.col("time") >= window[0]) & (pl.col("time") < window[1]) & pl.col("error").is_null()
    try:
        return rows.filter(inside).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        if len(files) == 1:
            told = f"the prediction log can't be read: {files[0].name}: {error}"
            raise StoreError(told, code="FC603") from error
        return pl.concat([_read([file], version, window) for file in files])  # which one it is


def _schema(version: ModelVersion) -> pl.Schema:
    own: dict[str, pl.DataType] = {"time": pl.Datetime("us", "UTC"), "score": pl.Float64(), "error": pl.String()}
    return pl.Schema(own | {f"{_FEATURE}{item.name}": polars_dtype(item.dtype) for item in version.inputs})
