"""How the values of features lie now: those of some entities of the offline table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from featurectl.catalog.statistics import ColumnOrigin, FeatureStatistics, describe_column
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import counted
from featurectl.engines.all_engines import open_engine
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.resolve.feature_names import FeatureChoice, feature_inputs
from featurectl.models.profile.categories import categories_json, profile_categories
from featurectl.models.profile.numbers import numbers_json, profile_numbers
from featurectl.operations.training.join import join_features
from featurectl.operations.training.known_keys import known_keys
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.applied import registered_view

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace

SHOWN_KEYS: Final = 5
_TIME: Final = "\x00now"
_SEED: Final = 0
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """How many entities of a view are asked for which features; 0: only keys are wanted."""

    view: str
    features: tuple[str, ...]
    entities: int
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledView:
    """Statistics by feature, and some keys, a value for each key of the entity."""

    statistics: Mapping[str, FeatureStatistics]
    keys: tuple[tuple[object, ...], ...]


def sample_view(
    workspace: Workspace, state: State, request: SampleRequest, progress: Progress | None = None
) -> SampledView:
    """Return how features of a view lie at now, of so many of its entities, drawn alike each time.

    Raises:
        DataError: FC510, the view is not materialized, or lacks inputs of a feature.
        StoreError: the offline store can't be read.
    """
    if progress is not None:
        progress.start(f"sample {request.view}")
    now = workspace.now
    bound = replace(bind_view(workspace.offline(), registered_view(state, request.view)), known_at=now)
    every = _keys_of(bound, request.memory_bytes)
    found: dict[str, FeatureStatistics] = {}
    if request.entities:
        rows = _values_of(workspace, bound, _drawn(every, request.entities), request)
        known = counted(every.height, "entity", "entities") if bound.view.keys else "one row"
        of = known if rows.height == every.height else f"{rows.height:,} of {known}"
        origin = f"{of} of {bound.label}"
        for item in _inputs(bound, request):
            name = item.name
            column = ColumnOrigin(feature=f"{request.view}:{name}", dtype=item.dtype or "", origin=origin, at=now)
            found[name] = describe_column(_column_json(rows[name]), column)
    if progress is not None:
        progress.done("")
    keys = _drawn(every, SHOWN_KEYS).rows() if bound.view.keys else []
    return SampledView(statistics=found, keys=tuple(keys))


def _keys_of(bound: BoundView, memory_bytes: int | None) -> pl.DataFrame:
    keys = bound.view.keys
    return known_keys([(bound, {key: key for key in keys})], keys, memory_bytes) if keys else pl.DataFrame()


def _drawn(keys: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return so many keys, in their order, the same each time that there are the same."""
    if keys.height <= count:
        return keys
    places = pl.int_range(keys.height, eager=True).sample(count, seed=_SEED).sort()
    return keys[places]


def _values_of(workspace: Workspace, bound: BoundView, keys: pl.DataFrame, request: SampleRequest) -> pl.DataFrame:
    view = bound.view
    time = pl.repeat(workspace.now, keys.height if view.keys else 1, dtype=INSTANT, eager=True).alias(_TIME)
    rows = keys.with_columns(time) if view.keys else time.to_frame()
    spine = SpineRows(rows=rows, own=rows, time=time, time_column=_TIME, origin="every key")
    engine = open_engine(workspace.environment, request.memory_bytes)
    return join_features(engine, spine, _inputs(bound, request), {view.name: bound}).select(request.features)


def _inputs(bound: BoundView, request: SampleRequest) -> list[FeatureInput]:
    """Return the features that are asked for, under the names that they have now."""
    name = bound.view.name
    return feature_inputs({name: bound.view}, [FeatureChoice(name, feature) for feature in request.features])


def _column_json(column: pl.Series) -> dict[str, Any]:
    """Return values as a column of a profile has them: times in seconds since 1970, of lists how long they are."""
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return categories_json(profile_categories(column))
    numbers = numbers_json(profile_numbers(_numbers(column)))
    return {**numbers, "distinct": column.drop_nulls().n_unique()}


def _numbers(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List):
        return column.list.len()
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("us")).cast(pl.Int64) / _SECOND_US
    if column.dtype.is_temporal():
        return column.cast(pl.Int64) / _SECOND_US
    return column.fill_nan(None) if column.dtype.is_float() else column
