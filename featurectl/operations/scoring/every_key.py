"""A spine of every key that the views of a model know at an instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.errors import UsageError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.language.definitions.model import FeatureInput, Model, ModelInput, RequestInput
from featurectl.operations.training.known_keys import known_keys
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.views import BoundView

_HINT: Final = "give the rows to score: --spine FILE"
Join = Mapping[str, str]


def spine_of_everyone(
    model: Model, inputs: Sequence[ModelInput], views: Mapping[str, BoundView], now: datetime, memory_bytes: int
) -> SpineRows:
    """Return a row per key that a view has a row of which is available at now, sorted by key; its time is now.

    The keys are held in memory, each once.

    Raises:
        UsageError: the model asks for a request column, for no entity, or for several.
    """
    joins = _joins_of(model, inputs, views)
    columns = tuple(joins[0][1].values())
    found = known_keys(joins, columns, memory_bytes)
    time = pl.repeat(now, found.height, dtype=INSTANT, eager=True).alias(model.spine.time)
    rows = found.with_columns(time)
    return SpineRows(rows=rows, own=rows, time=time, time_column=model.spine.time, origin="every key")


def _joins_of(
    model: Model, inputs: Sequence[ModelInput], views: Mapping[str, BoundView]
) -> list[tuple[BoundView, Join]]:
    """Return the views that have keys, each with the spine column of each key: the same columns for all of them."""
    asked = [item.name for item in inputs if isinstance(item, RequestInput)]
    if asked:
        what = f"--all-keys: model {model.name} asks for request columns, which no view knows: {', '.join(asked)}"
        raise UsageError(what, hint=_HINT)
    found: list[tuple[BoundView, Join]] = []
    for item in inputs:
        if isinstance(item, FeatureInput) and views[item.view].view.keys:
            pair = (views[item.view], {key: item.join[key] for key in views[item.view].view.key_types})
            if pair not in found:
                found.append(pair)
    if not found:
        raise UsageError(f"--all-keys: no view of model {model.name} has a key", hint=_HINT)
    entities = dict.fromkeys(tuple(sorted(join.values())) for _, join in found)
    if len(entities) > 1:
        keys = " and ".join(", ".join(names) for names in entities)
        raise UsageError(f"--all-keys: model {model.name} is of several entities, by {keys}", hint=_HINT)
    return found
