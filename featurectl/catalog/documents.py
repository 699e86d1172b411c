"""What there is, ready for JSON and for frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.secrets import hide_address_secrets
from featurectl.core.units import SECOND_US, format_iso
from featurectl.language.definitions.alerts import shown_address
from featurectl.language.definitions.json_form import load_notifier

if TYPE_CHECKING:
    from featurectl.catalog.search import SearchHit
    from featurectl.catalog.statistics import FeatureStatistics
    from featurectl.catalog.summaries import ObjectSummary
    from featurectl.registry.state import Json, ObjectVersion


def object_document(item: ObjectSummary) -> dict[str, object]:
    """Return an object; lengths of time in seconds."""
    bound = item.freshness
    return {
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "type": item.type,
        "entity": item.entity or None,
        "definition": item.definition,
        "warn_after_seconds": _seconds(bound.warn_after_us if bound else None),
        "error_after_seconds": _seconds(bound.error_after_us if bound else None),
        "state": item.state.verdict if item.state else None,
        "age_seconds": _seconds(item.state.age_us if item.state else None),
        "used_by": list(item.used_by),
        "size": item.size,
        "description": item.description,
        "owner": item.owner or None,
        "tags": list(item.tags),
        "aliases": list(item.aliases),
    }


def definition_document(item: ObjectVersion) -> Json:
    """Return the definition that the registry has of an object, without what may be a secret in its addresses."""
    if item.kind == "notifier":
        return {**item.definition, "address": shown_address(load_notifier(item.definition))}
    return {key: _shown(value) for key, value in item.definition.items()}


def _shown(value: object) -> object:
    if isinstance(value, str):
        return hide_address_secrets(value, value)
    if isinstance(value, list):
        return [_shown(part) for part in value]
    return {key: _shown(part) for key, part in value.items()} if isinstance(value, dict) else value


def hit_document(hit: SearchHit) -> dict[str, object]:
    """Return what was found, and in which of its texts."""
    return {**object_document(hit.object), "found_in": list(hit.found_in)}


def statistics_document(item: FeatureStatistics) -> dict[str, object]:
    """Return how the values of a feature lie."""
    return {
        "feature": item.feature,
        "type": item.dtype,
        "origin": item.origin,
        "at": format_iso(item.at),
        "rows": item.rows,
        "nulls": item.nulls,
        "distinct": item.distinct,
        "min": item.least,
        "max": item.greatest,
        "mean": item.mean,
        "stddev": item.stddev,
        "quantiles": [{"share": share, "value": value} for share, value in item.quantiles.items()],
        "histogram": [
            {"label": bar.label, "low": _as_float(bar.low), "high": _as_float(bar.high), "share": bar.share}
            for bar in item.bars
        ],
    }


def _seconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / SECOND_US


def _as_float(bound: float | None) -> float | None:
    """Return a bound of a bar of values, which are whole numbers of some features, in the one type of all."""
    return None if bound is None else float(bound)
