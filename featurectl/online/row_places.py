"""Where the rows of a view lie in an online store, and which of its values they hold."""

from __future__ import annotations

from featurectl.core.dtypes import TIMESTAMP
from featurectl.identity.fingerprint import feature_fingerprints
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.online.base import OnlineStore, OnlineView
from featurectl.online.corrupt_rows import BrokenCountError

FILLED_AT = "{}/event_time"  # no feature can have such a name
_MEANING_DIGITS = 16


def online_view(view: FeatureView, version: int, project: str, env: str) -> OnlineView:
    """Return where the rows of a view version lie in an online store, and what they hold: the stored features.

    A feature whose type is not known yet is left out: such a view can be looked at, and not pushed.
    """
    fingerprints = feature_fingerprints(view)
    return OnlineView(
        project=project,
        env=env,
        view=view.name,
        version=version,
        keys=view.key_types,
        features={name: dtype for name, dtype in stored_types(view).items() if dtype is not None},
        versioned_by="computed" if view.kind == "event" else "event",
        meanings={f.name: fingerprints[f.name][:_MEANING_DIGITS] for f in view.features if f.dtype is not None},
    )


def count_if_whole(store: OnlineStore, view: OnlineView) -> int | None:
    """Return the number of entities that have a row, None where the counter holds none: removing all needs none."""
    try:
        return store.count(view)
    except BrokenCountError:
        return None


def stored_types(view: FeatureView) -> dict[str, str | None]:
    """Return the stored values by name with their types: the features, before defaults, without derived ones.

    A feature that is filled from an older row expires on its own, so the event time of that row stands beside it.
    """
    types = {feature.name: feature.dtype for feature in view.features}
    return types | {FILLED_AT.format(feature.name): TIMESTAMP for feature in filled_within_ttl(view)}


def filled_within_ttl(view: FeatureView) -> list[Feature]:
    """Return the features that may come from an older row than the latest, and must not come from too old a one."""
    return [f for f in view.features if f.fill_last] if view.ttl_us is not None and view.kind != "event" else []
