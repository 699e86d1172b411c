"""The rows that a model is trained on and judged on, with the manifest of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from featurectl.core.units import format_iso
from featurectl.engines.base import Engine
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.json_form import load_source
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.source import Source
from featurectl.models.split import Examples
from featurectl.operations.outputs.frames import frames_of
from featurectl.operations.training.build import RowTally, TrainingSetBuild
from featurectl.operations.training.label import LabelTarget, read_target
from featurectl.operations.training.later_rows import check_logged
from featurectl.operations.training.manifest import describe_training_set
from featurectl.operations.training.request import (
    ResolvedRequest,
    TrainingRequest,
    read_asked_spine,
    resolve_request,
)
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.training_set import TrainingRows, TrainingSet, build_training_set, require_label
from featurectl.registry.state import State
from featurectl.workspace.applied_workspace import AppliedWorkspace

NOW: Final = "now"  # in the manifest of a model's training set: the instant of the run; later rows were left out
VALIDATION: Final = "validation"  # in the manifest: that of the rows of a validation source


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A model's training set; with a validation source, the set of its rows too.

    `manifest` is that of the training set, without the model's definition; below `validation` that of the other.
    Rows later than `now` are not learned from; None: a version of before that was so is made again.
    """

    model: Model
    rows: TrainingSet
    holdout: TrainingSet | None
    manifest: Mapping[str, object]
    now: datetime | None

    def examples(self) -> Examples:
        """Return the rows to fit on.

        Raises:
            DataError: FC506, a set lacks the label.
        """
        examples = self._examples(self.rows)
        return examples if self.holdout is None else replace(examples, holdout=self._examples(self.holdout))

    def _examples(self, of: TrainingSet) -> Examples:
        spine_label = self.model.spine.label
        label = require_label(of, spine_label, self.model.name)
        ahead_us = spine_label.horizon_us if spine_label else None
        return Examples(rows=of.values, label=label, time=of.time, horizon_us=ahead_us or 0, now=self.now)


def read_training_data(engine: Engine, model: str, applied: AppliedWorkspace, room: SpillRoom) -> TrainingData:
    """Return the data of an applied model by the newest tables of its views.

    Raises:
        DataError: rows can't be read or joined; FC509, some up to now are later than the log of a stream.
    """
    asked = resolve_request(TrainingRequest(model=model), applied)
    assert asked.model is not None
    target = read_target(engine, asked.model.spine.label, applied.open_source, applied.now, room)
    spine = read_spine_rows(asked, applied)
    check_logged(spine, asked.views.values(), applied.now)
    rows, manifest = build_set(engine, asked, spine, target)
    manifest[NOW] = format_iso(applied.now)
    judged = validation_request(asked, applied.state)
    if judged is None:
        return TrainingData(model=asked.model, rows=rows, holdout=None, manifest=manifest, now=applied.now)
    spine = read_spine_rows(judged, applied)
    check_logged(spine, judged.views.values(), applied.now)
    holdout, manifest[VALIDATION] = build_set(engine, judged, spine, target)
    return TrainingData(model=asked.model, rows=rows, holdout=holdout, manifest=manifest, now=applied.now)


def validation_request(asked: ResolvedRequest, state: State) -> ResolvedRequest | None:
    """Return a request for the rows of the validation source: the same in all but the spine's source."""
    model = asked.model
    if model is None or model.trainer is None or model.trainer.validation_source is None:
        return None
    source = _whole(model.trainer.validation_source, state)
    return replace(asked, model=replace(model, spine=replace(model.spine, source=source)))


def _whole(source: Source, state: State) -> Source:
    """Return a source as the definition holds it; where that is a name alone, as it is applied."""
    applied = state.current("source", source.name)
    is_whole = bool(source.path or source.sql or source.iceberg or source.stream)
    if is_whole or applied is None:
        return source
    return load_source(applied.definition)


def read_spine_rows(asked: ResolvedRequest, applied: AppliedWorkspace) -> SpineRows:
    """Return the spine that is asked for, in memory."""
    spine = read_asked_spine(asked, applied)
    assert isinstance(spine, SpineRows)
    return spine


def build_set(
    engine: Engine, asked: ResolvedRequest, spine: SpineRows, target: LabelTarget | None
) -> tuple[TrainingSet, dict[str, object]]:
    """Return the training set of a spine, and its manifest without the model's definition."""
    rows = build_training_set(engine, spine, asked.inputs, asked.views, target)
    tally = RowTally()
    tally.add(
        TrainingRows(
            rows=rows.rows,
            values=rows.values,
            label=rows.label,
            missing=rows.missing,
        )
    )
    frames = frames_of(rows.rows)
    made = TrainingSetBuild(resolved=asked, spine=spine, target=target, frames=frames, tally=tally, label=rows.label)
    return rows, {key: value for key, value in describe_training_set(made).items() if key != "definition"}
