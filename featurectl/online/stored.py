"""Which values of a view lie in the online store."""

from __future__ import annotations

from featurectl.dtypes import TIMESTAMP
from featurectl.spec.definition import Feature, FeatureView

FILLED_AT = "{}/event_time"  # no feature can have such a name


def stored_types(view: FeatureView) -> dict[str, str | None]:
    """Return the stored values by name with their types: the features, before defaults, without derived ones.

    A feature that is filled from an older row expires on its own, so the event time of that row stands beside it.
    """
    types = {feature.name: feature.dtype for feature in view.features}
    return types | {FILLED_AT.format(feature.name): TIMESTAMP for feature in filled_within_ttl(view)}


def filled_within_ttl(view: FeatureView) -> list[Feature]:
    """Return the features that may come from an older row than the latest, and must not come from too old a one."""
    return [f for f in view.features if f.fill_last] if view.ttl_us is not None and view.kind != "event" else []
