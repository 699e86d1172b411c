"""Which view versions of a plan workers on a stream keep online."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from featurectl.registry.state import ObjectVersion


def streams_of(items: Iterable[ObjectVersion | None]) -> Mapping[tuple[str, int], str]:
    """Return the sources of the view versions among some objects that are kept online by workers on a stream."""
    found: dict[tuple[str, int], str] = {}
    for item in items:
        source = item.definition.get("source") if item is not None and item.kind == "feature_view" else None
        if item is None or not isinstance(source, Mapping) or source.get("format") != "stream":
            continue
        if item.definition.get("online", True):
            found[item.name, item.version] = str(source["name"])
    return found
