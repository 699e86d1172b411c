"""A model version trained once more on what it was trained on, and how far the two are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from featurectl.core.errors import DataError, UsageError
from featurectl.core.units import format_iso
from featurectl.engines.base import Engine
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.json_form import load_model
from featurectl.operations.training.data import (
    NOW,
    VALIDATION,
    TrainingData,
    build_set,
    read_spine_rows,
    validation_request,
)
from featurectl.operations.training.reproduce import (
    Manifest,
    check_same_spine,
    parse_manifest,
    pinned_request,
    read_same_target,
)
from featurectl.operations.training.request import ResolvedRequest
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.training_set import TrainingSet
from featurectl.registry.state import ModelVersion
from featurectl.workspace.applied_workspace import AppliedWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether a version that was trained once more has the metrics and the bytes of the first.

    `metrics` are those that differ, as (was, is; None: not measured), `libraries` the same of versions.
    """

    metrics: Mapping[str, tuple[float | None, float | None]]
    libraries: Mapping[str, tuple[str | None, str | None]]
    same_bytes: bool


def read_pinned_data(engine: Engine, trained: ModelVersion, applied: AppliedWorkspace, room: SpillRoom) -> TrainingData:
    """Return the data that a version was trained on: by its definition, view and table versions and spine.

    Rows that the spine's source has got since, after those that it had, are left out.

    Raises:
        UsageError: it was trained elsewhere, and imported.
        DataError: FC520, something of it is gone or has changed; the message says what.
    """
    if "imported" in trained.params:
        raise UsageError(
            f"{trained.model} version {trained.version} was {trained.params.get('estimator')}, not trained here",
            hint="what it was trained on is not known; import its file again, or train a version of your own",
        )
    if trained.origin:
        number, there = trained.origin.get("version"), trained.origin.get("environment")
        raise UsageError(
            f"{trained.model} version {trained.version} was trained in environment {there}, as version {number}",
            hint=f"featurectl train {trained.model} --from-version {number} --env {there}",
        )
    model = load_model(trained.definition)
    manifest = _manifest_of(trained, trained.manifest)
    asked = replace(pinned_request(manifest, applied), model=model)
    rows, described = _set_of(engine, manifest, asked, applied, room)
    now = _now_of(trained)
    described |= {} if now is None else {NOW: format_iso(now)}
    judged = validation_request(asked, applied.state)
    if judged is None:
        return TrainingData(model=model, rows=rows, holdout=None, manifest=described, now=now)
    other = _manifest_of(trained, trained.manifest.get(VALIDATION))
    holdout, also = _set_of(engine, other, judged, applied, room)
    return TrainingData(model=model, rows=rows, holdout=holdout, manifest={**described, VALIDATION: also}, now=now)


def _now_of(trained: ModelVersion) -> datetime | None:
    """Return the instant of a version's training set; None: it is of before later rows were left out."""
    text = trained.manifest.get(NOW)
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _set_of(
    engine: Engine, manifest: Manifest, asked: ResolvedRequest, applied: AppliedWorkspace, room: SpillRoom
) -> tuple[TrainingSet, dict[str, object]]:
    spine = same_rows(manifest, read_spine_rows(asked, applied))
    target = read_same_target(manifest, engine, asked, applied, room)
    return build_set(engine, asked, spine, target)


def same_rows(manifest: Manifest, spine: SpineRows) -> SpineRows:
    """Return the rows of a spine that a manifest is of: all, or where it has grown those that come first.

    Raises:
        DataError: FC520, they are others.
    """
    if spine.height <= manifest.rows:
        check_same_spine(manifest, spine)
        return spine
    first = spine.part(0, manifest.rows)
    if first.sha256() != manifest.spine_sha256:
        check_same_spine(manifest, spine)  # whose rows are more, and not those from before with others after them
    return first


def _manifest_of(trained: ModelVersion, document: object) -> Manifest:
    name = Path(f"{trained.model} version {trained.version}")
    if not isinstance(document, Mapping) or not document:
        message = f"{name} can't be made again: the registry has no manifest of its training set"
        raise DataError(message, code="FC520", hint="it is older than the version of featurectl that keeps them")
    whole: dict[str, Any] = {"file": {"format": "", "sha256": ""}, **document, "definition": trained.definition}
    return parse_manifest(name, whole)


def compare_versions(was: ModelVersion, again: ModelVersion) -> Comparison:
    """Return how far two trainings of one version came out the same."""
    metrics = {
        name: (was.metrics.get(name), again.metrics.get(name))
        for name in dict.fromkeys([*was.metrics, *again.metrics])
        if was.metrics.get(name) != again.metrics.get(name)
    }
    libraries = {
        name: (was.libraries.get(name), again.libraries.get(name))
        for name in dict.fromkeys([*was.libraries, *again.libraries])
        if was.libraries.get(name) != again.libraries.get(name)
    }
    return Comparison(metrics=metrics, libraries=libraries, same_bytes=was.artifact_sha256 == again.artifact_sha256)
