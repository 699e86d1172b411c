"""One run of `score`: what it sees when it begins, or saw when it was begun, and what it makes of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.progress import Progress
from featurectl.core.units import counted, format_instant, plural
from featurectl.engines.base import Engine
from featurectl.models.runtimes.base import Runtime
from featurectl.operations.scoring.checkpoint import ScoreBeginning, ScoreCheckpoint, rows_of
from featurectl.operations.scoring.destination import Destination
from featurectl.operations.scoring.every_key import spine_of_everyone
from featurectl.operations.scoring.run import ScoredRows, check_names, describe_scores, output_schema, score_spine
from featurectl.operations.scoring.scorer import LoadingRuntime, Scorer, scoring_libraries, trained_model
from featurectl.operations.training.champion import bound_inputs
from featurectl.operations.training.choose_spine import NamedSpine, choose_spine
from featurectl.operations.training.erased_spine import joined_entities, without_erased
from featurectl.operations.training.later_rows import later_row_warnings, unknown_at_warnings
from featurectl.operations.training.long_spine import AnySpine, SpillPlace, cut_long_spine
from featurectl.operations.training.parts import parted_views
from featurectl.operations.training.spine import Cut, SpineRows, cut_spine, frame_spine
from featurectl.operations.training.unknown_keys import unknown_document
from featurectl.operations.views import BoundView, bind_model_version
from featurectl.registry.state import ModelVersion
from featurectl.workspace.applied_workspace import AppliedWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringRows:
    """Which rows are scored: those of a file, a source (None: the model's own) or a frame, or every key."""

    spine: str | None
    all_keys: bool
    cut: Cut
    frame: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A model version with what it takes to score rows; `clock` is the real time.

    The model is loaded once the spine was read, when memory that this takes is free again, beside the first join.
    """

    version: ModelVersion
    load: Callable[[int], Runtime]
    selection: ScoringRows
    engine: Engine
    applied: AppliedWorkspace
    place: SpillPlace
    checkpoint: ScoreCheckpoint
    progress: Progress
    clock: datetime

    def run(self, to: Destination) -> tuple[ScoredRows, Mapping[str, object], tuple[str, ...]]:
        """Score the rows, write them, and return them with their manifest and what is said of later ones.

        Raises:
            DataError: FC506, FC504, FC516 the spine does not fit; FC520, a continued run needs a table that is gone.
        """
        seen = self._seen()
        later_rows = self.later_rows(seen)
        scorer = self.scorer(seen, to)
        self.progress.start(f"score by {self.version.model} version {self.version.version}")
        scored = score_spine(self.engine, scorer, seen.spine, self.checkpoint, self.progress)
        self.progress.done(f"scored {counted(seen.spine.height, 'row')}")
        return scored, self.write(to, scorer, seen, scored), later_rows

    def write(self, to: Destination, scorer: Scorer, seen: SeenRows, scored: ScoredRows) -> Mapping[str, object]:
        """Write rows into an output, and return their manifest.

        Raises:
            UsageError, StoreError: it can't be written; then it is as it was.
        """
        manifest = describe_scores(scorer, seen.views, seen.spine, self.checkpoint)
        manifest |= {"unknown": unknown_document(scored.unknown), "libraries": scoring_libraries()}
        self.progress.start(f"write {to.shown}")
        to.write(scored.frames, manifest)
        self.progress.done("")
        return manifest

    def later_rows(self, seen: SeenRows) -> tuple[str, ...]:
        """Return what is said of rows that lie later than their features; it is reported, too."""
        if self.selection.all_keys:
            return ()  # every key as of now: whatever the tables hold is what there is
        warnings = unknown_at_warnings(seen.spine, trained_model(self.version))
        warnings += later_row_warnings(seen.spine, seen.views.values(), seen.now)
        for text in warnings:
            self.progress.done(f"warning: {text}")
        return warnings

    def _seen(self) -> SeenRows:
        begun = self.checkpoint.begun
        seen = self.look(begun)
        if begun is not None and (seen.spine.height, seen.digest) != (begun.rows, begun.spine):
            self.progress.done(f"the spine is another than when the run was begun: {_at(begun)}; it begins anew")
            self.checkpoint.clear()
            seen = self.look(None)
        elif begun is not None:
            done = sum(map(rows_of, self.checkpoint.done()))
            rows = f"{done:,} of {begun.rows:,} {plural(begun.rows, 'row')}"
            self.progress.done(f"continues the run of {_at(begun)}, as of then: {rows} are done")
        if self.checkpoint.begun is None:
            self.checkpoint.begin(seen.begun(self.clock))
        return seen

    def look(self, begun: ScoreBeginning | None) -> SeenRows:
        """Return the views and the spine, as of when a run was begun, or now.

        Raises:
            DataError: FC506, FC504, FC516 the spine does not fit; FC520, FC529 a table of then is gone, or was erased.
        """
        now = self.applied.now if begun is None else begun.known_at
        views = bind_model_version(self.applied.state, self.applied.offline, self.version, now)
        if begun is not None:
            views = {name: _pinned(bound, begun) for name, bound in views.items()}
        self.progress.start("read the spine")
        spine = self._spine(views, now)
        digest = spine.sha256()
        self.progress.done(f"spine {spine.origin}: {counted(spine.height, 'row')}")
        return SeenRows(now=now, views=views, spine=spine, digest=digest)

    def _spine(self, views: Mapping[str, BoundView], now: datetime) -> AnySpine:
        """Return the rows that are scored, without those of erased keys."""
        joined = joined_entities(bound_inputs(trained_model(self.version), self.version), views, None)
        return without_erased(self._chosen(views, now), joined, self.applied.state.erasures, self.place)

    def _chosen(self, views: Mapping[str, BoundView], now: datetime) -> AnySpine:
        model, selection = trained_model(self.version), self.selection
        if selection.all_keys:
            inputs = bound_inputs(model, self.version)
            return spine_of_everyone(model, inputs, views, now, self.place.memory_bytes)
        if selection.frame is not None:
            return cut_spine(frame_spine(selection.frame, NamedSpine(None).clocks(model)), selection.cut)
        spine = choose_spine(
            self.applied.open_source, self.applied.state, model, NamedSpine(selection.spine), self.place
        )
        if isinstance(spine, SpineRows):
            return cut_spine(spine, selection.cut)
        return cut_long_spine(spine, selection.cut, self.place)

    def scorer(self, seen: SeenRows, to: Destination) -> Scorer:
        """Return what scores the rows; the columns of the output are looked at.

        Raises:
            DataError: FC516, the spine has a column with the name of one. UsageError: the output can't hold one.
        """
        views = parted_views(seen.views, self.place.memory_bytes, self.place.room)
        runtime = LoadingRuntime(partial(self.load, seen.spine.height))
        scorer = Scorer(version=self.version, model=trained_model(self.version), views=views, runtime=runtime)
        check_names(scorer, seen.spine)
        to.check_columns(output_schema(scorer, seen.spine))
        return scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRows:
    """The views and the spine of a run as they are at its now."""

    now: datetime
    views: Mapping[str, BoundView]
    spine: AnySpine
    digest: str

    def begun(self, clock: datetime) -> ScoreBeginning:
        """Return what has to be kept of it."""
        tables = {bound.label: bound.table_version for bound in self.views.values()}
        return ScoreBeginning(
            begun_at=clock, known_at=self.now, tables=tables, rows=self.spine.height, spine=self.digest
        )


def _pinned(bound: BoundView, begun: ScoreBeginning) -> BoundView:
    """Return a view at the version of its table that a run has begun with."""
    if bound.label not in begun.tables:
        what = f"the run that was begun on {_at(begun)} can't be continued: it did not read {bound.label}"
        raise DataError(what, code="FC520", hint="--restart begins it anew")
    number = begun.tables[bound.label]
    if (at := bound.stored.erased_since(number)) is not None:
        what = f"version {number} of the table of {bound.label} held rows that were erased on {at:%Y-%m-%d}"
        message = f"the run that was begun on {_at(begun)} can't be continued: {what}"
        raise DataError(message, code="FC529", hint="--restart begins it anew")
    return replace(bound, table_version=number, pinned=True)


def _at(begun: ScoreBeginning) -> str:
    return format_instant(begun.begun_at)
