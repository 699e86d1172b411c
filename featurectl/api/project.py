"""A repository in Python, for notebooks: training sets and online values as Polars frames.

`import featurectl` loads none of this before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from featurectl.core.errors import UsageError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import parse_instant
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.feature_names import feature_choices
from featurectl.online.base import KeyValue
from featurectl.online.read import Answer
from featurectl.operations.online_rows import read_online
from featurectl.operations.training.assemble import TrainingSetRequest, build_in_memory
from featurectl.operations.training.manifest import describe_training_set
from featurectl.operations.training.request import TrainingRequest
from featurectl.operations.training.spine import Cut
from featurectl.sources.casts import cast_exact
from featurectl.workspace.online_schema import read_online_schema
from featurectl.workspace.open import find_root, open_workspace
from featurectl.workspace.workspace import Workspace

_EPOCH: Final = date(1970, 1, 1)


class TrainingFrame(NamedTuple):
    """A training set: `rows` as `featurectl training-set` writes them, and the `manifest` that stands beside them."""

    rows: pl.DataFrame
    manifest: dict[str, object]


def open_project(
    repo: str | Path | None = None, env: str | None = None, as_of: datetime | str | None = None
) -> Project:
    """Return the project of a repository's folder, of this folder or the nearest parent that is one by default.

    `env` names an environment, the first by default. `as_of` is the instant to take as now. Every call of the project
    reads the registry anew.

    Raises:
        UsageError: there is no repository, no such environment, or no such instant.
        ProblemsError: the repository's files have errors.
    """
    project = Project(root=find_root(None if repo is None else Path(repo)), env=env, as_of=_instant(as_of))
    with project.workspace():
        return project


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A repository and one of its environments."""

    root: Path
    env: str | None = None
    as_of: datetime | None = None

    def workspace(self) -> Workspace:
        """Return the repository with its stores, to be closed."""
        return open_workspace(self.root, self.env, self.as_of, "if there")

    def training_set(  # noqa: PLR0913 (what callers of Python write)
        self,
        model: str | None = None,
        *,
        features: Sequence[str] = (),
        spine: pl.DataFrame | str | Path | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        sample: float = 1.0,
        seed: int = 0,
        as_served: bool = False,
    ) -> TrainingFrame:
        """Return the point-in-time training set of a model, or of `features` (`["view:a", "view:*"]`).

        `features` may be one text, too: `"view:a,view:b"`. A row is a row of the spine, in its order: a frame, a file,
        a source by its name, or the model's own. Its time is the column that the model's `spine.time` names, else
        `event_time`. Features are as they were known then; the model's label stands last. `as_served`: values as the
        online store would have had them.

        Raises:
            UsageError: something of these names is not applied, or not given.
            DataError: a table is missing, or the spine lacks a column.
            StoreError: a store can't be reached.
        """
        if isinstance(spine, pl.LazyFrame):
            raise UsageError("the spine is a LazyFrame", hint="spine.collect()")
        frame = spine if isinstance(spine, pl.DataFrame) else None
        request = TrainingRequest(
            model=model,
            features=tuple(feature_choices(features.split(",") if isinstance(features, str) else features)),
            spine=None if spine is None or frame is not None else str(spine),
            cut=Cut(since=_instant(since), until=_instant(until), sample=sample, seed=seed),
            as_served=as_served,
        )
        with self.workspace() as workspace:
            build = build_in_memory(workspace, TrainingSetRequest(training=request, frame=frame))
            return TrainingFrame(rows=pl.concat(build.frames.read()), manifest=describe_training_set(build))

    def get(self, view: str, entities: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return the online values of a view: a row for each row of `entities`, which holds the entity's keys.

        They are of the newest version that was pushed. A view without an entity needs no entities and gives one row.

        Columns: the keys, the view's features and derived ones, and `event_time`, `available_at` and `computed_at` of
        the values. An entity that the store does not have has null, 0 for counts.

        Raises:
            UsageError: there is no such view, it is offline only, or a key is missing.
            DataError: FC511 the view was never pushed, FC504 a key has another type.
            StoreError: the store can't be reached.
        """
        with self.workspace() as workspace:
            read = read_online_schema(workspace, [view]).view(view)
            keys = _keys(read.view, entities)
            asked = [[_key(value) for value in row] for row in keys.iter_rows()] if keys.width else [[]]
            found = read_online(workspace, read, asked)
        return pl.concat([keys, _values(read.view, found)], how="horizontal")


def _keys(view: FeatureView, entities: pl.DataFrame | None) -> pl.DataFrame:
    types = view.key_types
    entities = pl.DataFrame() if entities is None else entities
    if missing := [name for name in types if name not in entities.columns]:
        raise UsageError(f"key {missing[0]} is missing", hint="keys: " + ", ".join(types))
    columns = [cast_exact(entities[name], dtype, f"entities: key {name}") for name, dtype in types.items()]
    return pl.DataFrame(columns)


def _key(value: KeyValue | date | None) -> KeyValue | None:
    return (value - _EPOCH).days if isinstance(value, date) else value


def _values(view: FeatureView, answers: Sequence[Answer]) -> pl.DataFrame:
    names = [*(f.name for f in view.features), *(d.name for d in view.derived)]
    columns = [
        pl.Series(name, [a.values[name].value for a in answers], dtype=polars_dtype(view.dtype_of(name) or "string"))
        for name in names
    ]
    clocks = {
        "event_time": [a.event_time for a in answers],
        "available_at": [a.available_at for a in answers],
        "computed_at": [a.computed_at for a in answers],
    }
    columns += [pl.Series(name, instants, dtype=INSTANT) for name, instants in clocks.items() if name not in names]
    return pl.DataFrame(columns)


def _instant(value: datetime | str | None) -> datetime | None:
    found = parse_instant(value) if isinstance(value, str) else value
    if value is not None and (found is None or found.tzinfo is None):
        problem = "is no instant" if found is None else "has no time zone"
        raise UsageError(f"{value!s} {problem}", hint="write it like 2013-06-01T00:00:00Z")
    return found
