"""Write a training set with its manifest, or make that of a manifest again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.errors import StoreError, UsageError
from featurectl.core.progress import Progress
from featurectl.engines.all_engines import open_engine
from featurectl.engines.spill import SpillRoom
from featurectl.operations.outputs.output_conflict import check_apart
from featurectl.operations.outputs.write_table import check_output, has_digest, write_with_manifest
from featurectl.operations.training.assemble import Assembly, TrainingSetRequest
from featurectl.operations.training.build import TrainingSetBuild
from featurectl.operations.training.long_spine import SpillPlace
from featurectl.operations.training.manifest import describe_training_set
from featurectl.operations.training.reproduce import explain_difference, load_manifest
from featurectl.operations.training.request import TrainingRequest, check_request
from featurectl.operations.unapplied import warn_unapplied
from featurectl.registry.base import Pin
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.plain_registry import pin_tables

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTrainingSet:
    """What was built, its manifest, and how it differs from the one that it was to be again ("": not at all).

    `is_left`: the file was left as it was, with the rows of the manifest.
    """

    build: TrainingSetBuild
    manifest: Mapping[str, object]
    difference: str = ""
    is_left: bool = False


def checked_request(
    training: TrainingRequest, out: Path | None, from_manifest: Path | None, memory_bytes: int | None
) -> TrainingSetRequest:
    """Return the request for a training set in a file, again that of a manifest if one is given; no store is read.

    Raises:
        UsageError: it asks for nothing or for too much, or nothing can be written there; the manifest is none.
    """
    if from_manifest is None:
        check_request(training)
    elif training != TrainingRequest(spine=training.spine):
        hint = "leave out all but --out and, if the spine has moved, --spine"
        raise UsageError("--from-manifest says itself what is asked for", hint=hint)
    if out is None:
        raise UsageError("where to? --out FILE is missing", hint="--out train.parquet")
    check_output(out)
    manifest = None if from_manifest is None else load_manifest(from_manifest, out)
    return TrainingSetRequest(training=training, out=out, manifest=manifest, memory_bytes=memory_bytes)


def write_training_set(workspace: Workspace, request: TrainingSetRequest, progress: Progress) -> WrittenTrainingSet:
    """Join features to a spine as they were known then, and write a row per spine row with a manifest beside.

    Raises:
        UsageError: something of that name is not applied, or the output is a source of the repository.
        DataError: rows can't be read or joined, or FC520, something of the manifest is gone.
        StoreError: a store can't be read.
    """
    engine = open_engine(workspace.environment, request.memory_bytes)
    assert request.out is not None
    with SpillRoom(workspace.spill_folder()) as room:
        check_apart(request.out, request.training.spine, workspace.repo.sources.values(), workspace.root)
        applied = read_applied(workspace, progress)
        if request.manifest is None:
            warn_unapplied(workspace, applied.state, progress)
        place = SpillPlace(room=room, memory_bytes=engine.memory_bytes)
        build = Assembly(applied=applied, engine=engine, place=place, progress=progress).build(request)
        described = describe_training_set(build)
        _pin(workspace, build, described, progress)
        original = "" if request.manifest is None else request.manifest.file_sha256
        manifest = write_with_manifest(build.frames, request.out, described, original)
    if request.manifest is None:
        return WrittenTrainingSet(build=build, manifest=manifest)
    difference = explain_difference(request.manifest, manifest)
    is_left = bool(difference) and has_digest(request.out, request.manifest.file_sha256)
    return WrittenTrainingSet(build=build, manifest=manifest, difference=difference, is_left=is_left)


def _pin(workspace: Workspace, build: TrainingSetBuild, described: Mapping[str, object], progress: Progress) -> None:
    """Keep the table versions that a manifest names from being vacuumed; warn when the registry can't be written."""
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    holder = f"manifest {digest[:16]}"
    pins = [
        Pin(view=bound.view.name, version=bound.version, table_version=bound.table_version, holder=holder)
        for bound in build.resolved.views.values()
    ]
    try:
        pin_tables(workspace, pins)
    except StoreError as error:
        what = "the table versions of the manifest are not pinned and may be vacuumed once they are a week old"
        progress.done(f"warning: {what}: {error.message}")
