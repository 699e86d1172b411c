"""Rows: tables and stores filled, training sets, values, models trained and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal, overload

import polars as pl

from featurectl.api.base import ProjectBase, instant_of, texts_of
from featurectl.api.frames import AnyFrame, FrameT, like, to_kind, to_polars
from featurectl.api.pages import RetrainedPage, TrainedPage, as_page
from featurectl.api.results import ResultTable
from featurectl.api.rows import ScoredFrame, TrainingFrame
from featurectl.core.errors import UsageError
from featurectl.core.temporary_folders import temporary_folder
from featurectl.language.resolve.feature_names import FeatureChoice, feature_choices
from featurectl.online.client.clients import warn_of_old_names
from featurectl.operations.materialize.dry_run import Planned
from featurectl.operations.materialize.materialize_views import (
    MaterializeRequest,
    ViewRun,
    materialize_views,
    plan_views,
)
from featurectl.operations.push.push_views import PushViewsRequest, ViewPush, plan_pushes, push_views
from featurectl.operations.push.remove import RemovedRows, remove_rows
from featurectl.operations.scoring.destination import open_destination
from featurectl.operations.scoring.job import ScoringRows
from featurectl.operations.scoring.score_model import ScoreRequest, score_model
from featurectl.operations.training.assemble import TrainingSetRequest, build_in_memory
from featurectl.operations.training.manifest import describe_training_set
from featurectl.operations.training.reproduce import read_manifest
from featurectl.operations.training.request import TrainingRequest
from featurectl.operations.training.retrain import compare_versions
from featurectl.operations.training.spine import Cut, SpineClocks, cut_spine, frame_spine
from featurectl.operations.training.train_model import TrainRequest, train_model
from featurectl.registry.applied import split_name
from featurectl.render.materialize import planned_document, render_planned, render_runs, run_document
from featurectl.render.push import push_document, removed_json, render_removed

_EPOCH: Final = date(1970, 1, 1)
_SPINE: Final = "the spine"
_ENTITIES: Final = "entities"


class DataMethods(ProjectBase):
    """Methods that read or write rows."""

    @overload
    def materialize(
        self,
        views: str | Sequence[str] = (),
        *,
        select: str | Sequence[str] = (),
        full: bool = False,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        keep_changed: bool = False,
        online: bool = True,
        allow_future: bool = False,
        dry_run: Literal[False] = False,
    ) -> ResultTable[ViewRun]: ...
    @overload
    def materialize(
        self,
        views: str | Sequence[str] = (),
        *,
        dry_run: Literal[True],
        select: str | Sequence[str] = (),
        full: bool = False,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        keep_changed: bool = False,
        online: bool = True,
        allow_future: bool = False,
    ) -> ResultTable[Planned]: ...
    def materialize(  # noqa: PLR0913 (what callers of Python write)
        self,
        views: str | Sequence[str] = (),
        *,
        select: str | Sequence[str] = (),
        full: bool = False,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        keep_changed: bool = False,
        online: bool = True,
        allow_future: bool = False,
        dry_run: bool = False,
    ) -> ResultTable[ViewRun] | ResultTable[Planned]:
        """Bring the offline tables of views up to date, of all by default, and push them; return what was done.

        `keep_changed`: say no more of rows that changed in their files. `allow_future`: also as of an instant that the
        clocks of the stores have not reached. `dry_run`: return what would be done, and why.

        Raises:
            UsageError: a view is not applied, or the range is none.
            PartsFailedError: some views failed; the others are done.
            StoreError: the registry can't be read.
        """
        request = MaterializeRequest(
            views=texts_of(views),
            select=texts_of(select),
            full=full,
            since=instant_of(since),
            until=instant_of(until),
            keep_changed=keep_changed,
            online=online,
            allow_future=allow_future,
        )
        with self.workspace("if there" if request.select else "compared") as workspace:
            if dry_run:
                planned = plan_views(workspace, request, self.open_progress())
                return ResultTable(planned, planned_document, render_planned)
            runs = materialize_views(workspace, request, self.open_progress())
        failures = [(run.label, run.error) for run in runs if run.error is not None]
        return ResultTable(runs, run_document, render_runs).unless_failed(failures, "views")

    @overload
    def push(
        self,
        views: str | Sequence[str] = (),
        *,
        select: str | Sequence[str] = (),
        full: bool = False,
        allow_future: bool = False,
        dry_run: bool = False,
    ) -> ResultTable[ViewPush]: ...
    @overload
    def push(self, *, remove: str | Sequence[str], dry_run: bool = False) -> ResultTable[RemovedRows]: ...
    def push(  # noqa: PLR0913 (what callers of Python write)
        self,
        views: str | Sequence[str] = (),
        *,
        select: str | Sequence[str] = (),
        full: bool = False,
        allow_future: bool = False,
        remove: str | Sequence[str] = (),
        dry_run: bool = False,
    ) -> ResultTable[ViewPush] | ResultTable[RemovedRows]:
        """Send what is new in the offline tables to the online store; return what was sent of each view.

        `allow_future`: also as of an instant that the clocks of the stores have not reached. `remove`: instead of a
        push, remove the rows of view versions (`"spend@1"`) that nothing needs, and return how many there were.
        `dry_run`: return what would be done at most.

        Raises:
            UsageError: a view is not applied; rows that are to be removed are needed.
            PartsFailedError: some views failed.
        """
        if remove:
            if views or select or full:
                raise UsageError("remove, and views to push", hint="one of them at a time")
            with self.workspace("project file") as workspace:
                removed = remove_rows(workspace, texts_of(remove), self.open_progress(), dry_run=dry_run)
            return ResultTable(removed, removed_json, render_removed)
        request = PushViewsRequest(views=texts_of(views), select=texts_of(select), full=full, allow_future=allow_future)
        with self.workspace("if there" if request.select else "project file") as workspace:
            work = self.open_progress()
            found = plan_pushes(workspace, request) if dry_run else push_views(workspace, request, work)
        failures = [(failure.part, failure.error) for failure in found.failures]
        return ResultTable(found.pushes, push_document, frames=self.frames).unless_failed(failures, "views")

    @overload
    def training_set(
        self,
        model: str | None = None,
        *,
        features: str | Sequence[str] = (),
        spine: str | Path | None = None,
        keys_from: str | None = None,
        at: datetime | str | None = None,
        time: str | None = None,
        known_at: str | None = None,
        join: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        sample: float = 1.0,
        seed: int = 0,
        as_served: bool = False,
        inputs_only: bool = False,
        from_manifest: str | Path | None = None,
    ) -> TrainingFrame[Any]: ...
    @overload
    def training_set(
        self,
        model: str | None = None,
        *,
        spine: FrameT,
        features: str | Sequence[str] = (),
        time: str | None = None,
        known_at: str | None = None,
        join: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        sample: float = 1.0,
        seed: int = 0,
        as_served: bool = False,
        inputs_only: bool = False,
        from_manifest: str | Path | None = None,
    ) -> TrainingFrame[FrameT]: ...
    def training_set(  # noqa: PLR0913 (what callers of Python write)
        self,
        model: str | None = None,
        *,
        features: str | Sequence[str] = (),
        spine: AnyFrame | str | Path | None = None,
        keys_from: str | None = None,
        at: datetime | str | None = None,
        time: str | None = None,
        known_at: str | None = None,
        join: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        sample: float = 1.0,
        seed: int = 0,
        as_served: bool = False,
        inputs_only: bool = False,
        from_manifest: str | Path | None = None,
    ) -> TrainingFrame[Any]:
        """Return the point-in-time training set of a model, or of `features` (`["view:a", "view:* as v_"]`).

        A row is one of the spine: of a frame, a file, a source, the model's own, or every key that `keys_from` knows
        `at` an instant. `time` (`event_time`) is its column of time, `known_at` that of its answer, `join` those of
        keys. `as_served`: as it was online. `inputs_only`: inputs and label alone. `from_manifest`: made again.

        Raises:
            UsageError, DataError, StoreError: a name is not applied, the file no manifest, or a table or column gone.
        """
        asked = TrainingRequest(
            model=model,
            features=_chosen(features),
            spine=_name_of(spine),
            keys_from=keys_from,
            at=instant_of(at),
            time=time,
            known_at=known_at,
            join=tuple((join or {}).items()),
            cut=Cut(since=instant_of(since), until=instant_of(until), sample=sample, seed=seed),
        )
        return self._built(replace(asked, as_served=as_served, inputs_only=inputs_only), spine, from_manifest)

    def _built(
        self, training: TrainingRequest, spine: AnyFrame | str | Path | None, from_manifest: str | Path | None
    ) -> TrainingFrame[Any]:
        pinned = None if from_manifest is None else read_manifest(Path(from_manifest))
        if pinned is not None and training != TrainingRequest(spine=training.spine):
            raise UsageError("from_manifest says itself what is asked for", hint="leave out all but the spine")
        request = TrainingSetRequest(training=training, frame=_spine_of(spine)[0], manifest=pinned)
        with self.workspace() as workspace:
            build = build_in_memory(workspace, request)
            warn_of_old_names(build.resolved.old_names)
            self._warn(build.warnings, "training_set")
            rows, manifest = pl.concat(build.frames.read()), describe_training_set(build)
        if request.frame is None:
            return TrainingFrame(to_kind(rows, self.frames), manifest)
        return TrainingFrame(like(rows, spine, getattr(build.spine, "places", None)), manifest)

    @overload
    def train(
        self, model: str, *, from_version: int, register: bool = False, allow_pickle: bool = False
    ) -> RetrainedPage: ...
    @overload
    def train(self, model: str, *, again: bool = False, allow_pickle: bool = False) -> TrainedPage: ...
    def train(
        self,
        model: str,
        *,
        from_version: int | None = None,
        register: bool = False,
        again: bool = False,
        allow_pickle: bool = False,
    ) -> TrainedPage:
        """Train a model, measure its gates, register the version and return it; its `status` may be rejected.

        Where a version was made of equal data, code and parameters, that one is returned, with what the gates find of
        it now, and none is made: `is_new` says so. `again`: one is made all the same.

        `from_version`: train this version once more, on the data that it was trained on, and say how far both are the
        same; what comes out is registered only with `register`.

        Raises:
            UsageError: the model is not applied, or has no trainer; there is no such version.
            DataError, StoreError: its training set can't be made.
        """
        _check_again(from_version, register=register, again=again)
        lines: list[str] = []
        request = TrainRequest(
            model=model,
            from_version=from_version,
            register=register,
            again=again,
            write=lines.append,
            allow_pickle=allow_pickle,
        )
        with self.workspace() as workspace:
            done = train_model(workspace, request, self.open_progress())
        self._warn(done.warnings, "train")
        about = {"aliases": done.aliases, "warnings": done.input_warnings, "is_new": done.is_new}
        if done.original is None:
            return as_page(TrainedPage, done.version, **about)
        compared = compare_versions(done.original, done.version)
        again_of = {"again": done.original, "comparison": compared, "is_registered": register}
        return as_page(RetrainedPage, done.version, **about, **again_of)

    def score(  # noqa: PLR0913 (what callers of Python write)
        self,
        model: str,
        *,
        spine: AnyFrame | str | Path | None = None,
        all_keys: bool = False,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        allow_pickle: bool = False,
    ) -> ScoredFrame[Any]:
        """Return the scores of the rows of a spine by a model's version, the champion by default.

        Raises:
            UsageError: there is no such version.
            DataError, StoreError: the rows can't be read or joined.
        """
        name, which = split_name(model)
        frame, named = _spine_of(spine)
        cut = Cut(since=instant_of(since), until=instant_of(until))
        with temporary_folder("scores") as folder, self.workspace() as workspace:
            request = ScoreRequest(
                model=name,
                which=which,
                selection=ScoringRows(spine=named, all_keys=all_keys, cut=cut, frame=frame),
                to=open_destination(str(folder / "scores.parquet"), name),
                allow_pickle=allow_pickle,
            )
            done = score_model(workspace, request, self.open_progress())
            self._warn((*done.later_rows, *done.unknown), "score")
            manifest = dict(done.manifest)
            rows = pl.read_parquet(folder / "scores.parquet", memory_map=False)
        if frame is None:
            return ScoredFrame(to_kind(rows, self.frames), manifest)
        return ScoredFrame(like(rows, spine, _places_of_cut(frame, manifest, cut)), manifest)


def _check_again(from_version: int | None, *, register: bool, again: bool) -> None:
    if register and from_version is None:
        raise UsageError("register goes with from_version", hint="without either, train registers the version")
    if again and from_version is not None:
        raise UsageError("again, and from_version", hint="from_version trains again anyway")


def _places_of_cut(frame: pl.DataFrame, manifest: Mapping[str, Any], cut: Cut) -> pl.Series | None:
    """Return which rows of a frame were scored."""
    spine = manifest["spine"]
    clocks = SpineClocks(times=(spine["time"],), known=spine.get("known_at"))
    return cut_spine(frame_spine(frame, clocks), cut).places


def _chosen(features: str | Sequence[str]) -> tuple[FeatureChoice, ...]:
    """Return the features that are named, in a text with commas or one by one."""
    return tuple(feature_choices(features.split(",") if isinstance(features, str) else texts_of(features)))


def _name_of(spine: AnyFrame | str | Path | None) -> str | None:
    """Return the name of a spine that is given by one."""
    return str(spine) if isinstance(spine, str | Path) else None


def _spine_of(spine: AnyFrame | str | Path | None) -> tuple[pl.DataFrame | None, str | None]:
    """Return a spine as a frame, or by its name."""
    if spine is None or isinstance(spine, str | Path):
        return None, None if spine is None else str(spine)
    return to_polars(spine, _SPINE), None
