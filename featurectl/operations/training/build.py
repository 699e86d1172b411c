"""A training set on its way to where it is wanted: whole in memory, or a range of the spine at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.memory import give_back
from featurectl.engines.base import Engine
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.model import FeatureInput, ModelInput
from featurectl.operations.outputs.frames import Frames, frames_of
from featurectl.operations.training.erased_spine import erased_lines
from featurectl.operations.training.join import ViewRows, check_inputs
from featurectl.operations.training.label import LabelTarget
from featurectl.operations.training.long_spine import AnySpine
from featurectl.operations.training.parts import parted_views
from featurectl.operations.training.request import ResolvedRequest
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.training_set import TrainingRows, join_rows
from featurectl.operations.training.unknown_keys import UnknownRows, unknown_lines
from featurectl.pit.hashing import hash_rows

_BYTES: Final = 10  # of a value, more or less
_COPIES: Final = 2  # of a value while rows are joined: as answered, and as it is written
_HASHED_ROWS: Final = 1_000_000
_MOST_LABELS: Final = 20  # of which the rows are counted


@dataclass(slots=True, kw_only=True)
class RowTally:
    """What a manifest tells of the rows, counted a range at a time.

    `nulls` counts them by column: of inputs and the label as the model sees them. `unknown` counts those with keys of
    which no view has a row. `labels` counts rows by label for
    one of few values; None: it has many, or is a measure. `types` are those of what the model sees.
    """

    rows: int = 0
    nulls: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] | None = field(default_factory=Counter)
    immature: int = 0
    before_source: int = 0
    unknown: UnknownRows = field(default_factory=UnknownRows)
    types: pl.Schema = field(default_factory=pl.Schema)

    def add(self, made: TrainingRows) -> None:
        """Count the rows of a range."""
        self.rows += made.rows.height
        for frame in (made.rows.drop(made.values.columns, strict=False), made.values):
            self.nulls.update({column.name: column.null_count() for column in frame})
        self.immature += int(made.missing.immature.sum())
        self.before_source += int(made.missing.before_source.sum())
        self.unknown.update(made.unknown)
        self.types = made.values.schema
        if made.label:
            self._add_labels(made.values[made.label])

    def _add_labels(self, label: pl.Series) -> None:
        if self.labels is None or label.dtype.is_float() or label.n_unique() > _MOST_LABELS:
            self.labels = None
            return
        for value, count in label.drop_nulls().value_counts().iter_rows():
            self.labels[str(value).lower()] += int(count)
        if len(self.labels) > _MOST_LABELS:
            self.labels = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetBuild:
    """A training set: its rows in frames, what was counted, and what it was made of.

    `label` is "" without one. `warnings` say which rows lie later than what their features were computed from.
    """

    resolved: ResolvedRequest
    spine: AnySpine
    target: LabelTarget | None
    frames: Frames
    tally: RowTally
    label: str
    warnings: tuple[str, ...] = ()

    @property
    def others(self) -> list[str]:
        """The columns that are neither inputs nor the label: keys, times, and what a label is made of."""
        own = {self.label, *(item.name for item in self.resolved.inputs)}
        return [name for name in self.frames.schema.names() if name not in own]

    @property
    def unknown(self) -> tuple[str, ...]:
        """What there is to say of rows with keys of which no view has a row, and of those that were left out."""
        return (*erased_lines(self.spine.erased), *unknown_lines(self.tally.unknown, self.tally.rows))


def make_training_set(
    engine: Engine, asked: ResolvedRequest, spine: AnySpine, target: LabelTarget | None, room: SpillRoom | None
) -> TrainingSetBuild:
    """Return the training set of a spine; a row per spine row, in its order, and what `join_rows` says of them.

    Rows that outgrow a quarter of the engine's memory are joined a range at a time and lie in files as long as `room`
    is open; without one they stay in memory. The rows are the same either way.
    """
    many = spine.height if room is None else _range_rows(engine, asked, spine)
    views = asked.views if room is None else parted_views(asked.views, engine.memory_bytes, room)
    tally = RowTally()
    if room is None or (many >= spine.height and isinstance(spine, SpineRows)):
        assert isinstance(spine, SpineRows), "a spine in files needs room for its ranges"
        made = join_rows(engine, spine, asked.inputs, views, target)
        tally.add(made)
        frames, label = frames_of(made.rows), made.label
    else:
        ranges = _Ranges(engine=engine, inputs=asked.inputs, views=views, spine=spine, target=target, rows=many)
        frames, label = ranges.write(room.folder(), tally)
    if asked.request.inputs_only:
        frames = frames.select([*(item.name for item in asked.inputs), *([label] if label else [])])
    return TrainingSetBuild(resolved=asked, spine=spine, target=target, frames=frames, tally=tally, label=label)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """A training set that is made so many rows at a time."""

    engine: Engine
    inputs: Sequence[ModelInput]
    views: Mapping[str, ViewRows]
    spine: AnySpine
    target: LabelTarget | None
    rows: int

    def write(self, folder: Path, tally: RowTally) -> tuple[Frames, str]:
        """Return the rows, which lie in files of a folder, and the label's name."""
        check_inputs(self.spine, self.inputs, self.views)  # so that errors count the rows of the whole spine
        height = self.spine.height
        files: list[Path] = []
        for start in range(0, height, self.rows):
            files.append(folder / f"{len(files)}.arrow")
            schema, label = self._write_range(start, files[-1], tally)
            give_back()
        return Frames(schema=schema, height=height, read=partial(_read_files, files)), label

    def _write_range(self, start: int, file: Path, tally: RowTally) -> tuple[pl.Schema, str]:
        part = self.spine.part(start, self.rows)
        made = join_rows(self.engine, part, self.inputs, self.views, self.target)
        tally.add(made)
        made.rows.write_ipc(file)
        return made.rows.schema, made.label


def _read_files(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    for file in files:
        yield pl.read_ipc(file)


def _range_rows(engine: Engine, asked: ResolvedRequest, spine: AnySpine) -> int:
    columns = len(asked.inputs) + len(spine.schema) + 1
    return max(1, engine.memory_bytes // 4 // (columns * _BYTES * _COPIES))


def count_repeats(made: TrainingSetBuild) -> int:
    """Return how many rows of the spine ask what an earlier one asked: equal keys at the equal time.

    Rows are held to be equal when hashes of 64 bits are: one number a row, whatever the keys are.
    """
    joined = [name for item in made.resolved.inputs if isinstance(item, FeatureInput) for name in item.join.values()]
    label = made.target.label if made.target else None
    keys = label.entity.keys if label is not None and label.entity is not None and made.label else ()
    names = list(dict.fromkeys([*joined, *keys]))
    hashes = np.empty(made.spine.height, np.int64)
    for start in range(0, len(hashes), _HASHED_ROWS):
        part = made.spine.part(start, _HASHED_ROWS)
        columns = [part.column(name).alias(name) for name in names]
        hashes[start : start + _HASHED_ROWS] = hash_rows(pl.DataFrame([*columns, part.time.alias("\x00time")]))
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))
