"""What a Python transform returns: rows of a source of their own, read as a state view."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from featurectl.core.dtypes import TIMESTAMP, UNKNOWN
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView

_EVENT: Final = "event_time"
_AVAILABLE: Final = "available_at"


def result_columns(view: FeatureView) -> dict[str, str]:
    """Return the columns that a transform must return, with their types: keys, both clocks, features."""
    keys = {view.join.get(key, key): dtype for key, dtype in view.key_types.items()}
    features = {feature.name: feature.dtype or UNKNOWN for feature in view.features}
    return {**keys, _EVENT: TIMESTAMP, _AVAILABLE: TIMESTAMP, **features}


def transform_sources(view: FeatureView) -> tuple[Source, ...]:
    """Return the sources of a view, in the order of its transform's arguments; of any other view its one source."""
    return (view.source, *(view.transform.others if view.transform else ()))


def as_state(view: FeatureView) -> FeatureView:
    """Return a view with a transform as the state view over the rows that the function returns.

    Its ties are broken by a hash of the columns that the view declares; the checks of its sources are not its own.
    """
    made = Source(
        name=view.source.name,
        format="parquet",
        event_time=_EVENT,
        available_at=_AVAILABLE,
        nan=view.source.nan,
        columns=result_columns(view),
        columns_declared=True,
    )
    return replace(view, kind="state", source=made, transform=None)
