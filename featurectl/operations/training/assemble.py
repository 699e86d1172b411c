"""Assemble a training set: what a request means, its spine, its label, the features joined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.progress import Progress, Silent
from featurectl.core.units import counted
from featurectl.engines.all_engines import open_engine
from featurectl.engines.spill import SpillRoom
from featurectl.language.resolve.training_columns import label_columns
from featurectl.language.typing.own_row import describe_own_row
from featurectl.operations.outputs.all_output_formats import check_columns
from featurectl.operations.training.build import TrainingSetBuild, make_training_set
from featurectl.operations.training.choose_spine import NamedSpine
from featurectl.operations.training.join import NoKeyColumnError
from featurectl.operations.training.label import LabelTarget, before_source_line, read_target
from featurectl.operations.training.later_rows import check_logged, later_row_warnings, unknown_at_warnings
from featurectl.operations.training.long_spine import AnySpine, SpillPlace
from featurectl.operations.training.reproduce import Manifest, check_same_spine, pinned_request, read_same_target
from featurectl.operations.training.request import (
    ResolvedRequest,
    TrainingRequest,
    naming_time,
    read_asked_spine,
    resolve_request,
)
from featurectl.operations.training.spine import FRAME, NoTimeColumnError, cut_spine, frame_spine
from featurectl.operations.training.training_set import no_label_error
from featurectl.workspace.applied_workspace import AppliedWorkspace
from featurectl.workspace.source_opener import SourceOpener

if TYPE_CHECKING:
    from featurectl.engines.base import Engine
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetRequest:
    """A training set to write into `out`; None: its rows stay in memory.

    With a `manifest` its rows are made again, and only the spine may move. `frame`: the rows of the spine themselves,
    in place of a source or a file.
    """

    training: TrainingRequest
    out: Path | None = None
    manifest: Manifest | None = None
    frame: pl.DataFrame | None = None
    memory_bytes: int | None = None


def build_in_memory(workspace: Workspace, request: TrainingSetRequest) -> TrainingSetBuild:
    """Return a training set whose rows are in memory.

    Raises:
        UsageError: something of that name is not applied.
        DataError: rows can't be read or joined.
        StoreError: a store can't be read.
    """
    engine = open_engine(workspace.environment, request.memory_bytes)
    applied = AppliedWorkspace(workspace=workspace, state=workspace.state(), sources=SourceOpener(workspace))
    with SpillRoom(workspace.spill_folder()) as room:
        place = SpillPlace(room=room, memory_bytes=engine.memory_bytes)
        return Assembly(applied=applied, engine=engine, place=place, progress=Silent()).build(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What rows are read with, and where those lie that do not fit into memory."""

    applied: AppliedWorkspace
    engine: Engine
    place: SpillPlace
    progress: Progress

    def build(self, request: TrainingSetRequest) -> TrainingSetBuild:
        """Return the training set; its rows may still lie in files."""
        asked = self._resolve(request)
        for text in asked.old_names:
            self.progress.done(f"warning: {text}")
        self.progress.start("read the spine")
        spine = self._spine(request, asked)
        self.progress.done(f"spine {spine.origin}: {counted(spine.height, 'row')}")
        self.applied.sources.report()
        if _is_own_spine(request, asked):
            _check_label(asked, spine)
        check_logged(spine, asked.views.values())
        if request.out is not None:
            check_columns(spine.schema, request.out)
        self.progress.start("join features")
        target = self._target(request, asked, spine)
        build = self._joined(request, asked, spine, target)
        columns, views = counted(len(asked.inputs), "column"), counted(len(asked.views), "view")
        self.progress.done(f"joined {columns} of {views}")
        self.applied.sources.report()
        before = before_source_line(target, build.tally.before_source)
        warnings = (*_own_row(request, asked), *([before] if before else []), *self._later_rows(asked, spine))
        for text in warnings:
            self.progress.done(f"warning: {text}")
        return replace(build, warnings=warnings)

    def _later_rows(self, asked: ResolvedRequest, spine: AnySpine) -> tuple[str, ...]:
        if asked.request.keys_from is not None and asked.request.at == self.applied.now:
            return ()  # every key as of now: whatever the tables hold is what there is
        warnings = later_row_warnings(spine, asked.views.values(), self.applied.now)
        return (*unknown_at_warnings(spine, asked.model), *warnings)

    def _joined(
        self, request: TrainingSetRequest, asked: ResolvedRequest, spine: AnySpine, target: LabelTarget | None
    ) -> TrainingSetBuild:
        try:
            return make_training_set(self.engine, asked, spine, target, self.place.room if request.out else None)
        except NoKeyColumnError as error:
            if asked.model is not None or request.manifest is not None:
                raise
            hint = f"--join {error.key}=COLUMN says which; {error.hint}"
            raise DataError(error.message, code=error.code, hint=hint) from error

    def _resolve(self, request: TrainingSetRequest) -> ResolvedRequest:
        if request.manifest is None:
            return resolve_request(request.training, self.applied)
        spine = request.training.spine if request.frame is None else FRAME
        return pinned_request(request.manifest, self.applied, spine)

    def _spine(self, request: TrainingSetRequest, asked: ResolvedRequest) -> AnySpine:
        """Return the part of the spine that is asked for; in files where it outgrows the memory, if it is written."""
        if request.frame is None:
            return read_asked_spine(asked, self.applied, self.place if request.out else None)
        named = NamedSpine(None, asked.request.time, asked.request.known_at)
        try:
            spine = frame_spine(request.frame, named.clocks(asked.model))
        except NoTimeColumnError as error:
            if asked.request.time is not None:
                raise
            raise naming_time(error) from error
        return cut_spine(spine, asked.request.cut)

    def _target(self, request: TrainingSetRequest, asked: ResolvedRequest, spine: AnySpine) -> LabelTarget | None:
        applied, room = self.applied, self.place.room
        if request.manifest is not None:
            check_same_spine(request.manifest, spine)
            return read_same_target(request.manifest, self.engine, asked, applied, room)
        label = asked.model.spine.label if asked.model else None
        return read_target(self.engine, label, applied.open_source, applied.now, room)


def _own_row(request: TrainingSetRequest, asked: ResolvedRequest) -> tuple[str, ...]:
    """Return what there is to say of a label that counts its own row, where the spine is the model's own."""
    if asked.model is None or not _is_own_spine(request, asked):
        return ()
    found = describe_own_row(asked.model.spine) if asked.request.time in (None, asked.model.spine.time) else ""
    return (found,) if found else ()


def _is_own_spine(request: TrainingSetRequest, asked: ResolvedRequest) -> bool:
    """Return whether a training set is of a model's own spine source."""
    if asked.model is None or request.frame is not None or asked.request.keys_from is not None:
        return False
    return asked.request.spine in (None, asked.model.spine.source.name)


def _check_label(asked: ResolvedRequest, spine: AnySpine) -> None:
    """See that a model's own spine has what the label is made of; another one may be of rows that have no label yet."""
    label, columns = asked.model.spine.label if asked.model else None, list(spine.schema)
    if label is not None and not label_columns(label) <= set(columns):
        raise no_label_error(label, spine.origin, columns)
