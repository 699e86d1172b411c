"""Which version answers which rows: the champion, or the challenger of a canary for its share of the entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurectl.serving.project.canary import CanaryAssignment, Role, ServedCanary
from featurectl.serving.project.served_model import ServedModel

_SIDES: Sequence[tuple[Role, bool]] = (("champion", False), ("challenger", True))


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRows:
    """Rows of a request, by their places in it, that one version answers. `canary` is the one that they are part of."""

    model: ServedModel
    places: Sequence[int]
    canary: ServedCanary | None = None
    assignment: CanaryAssignment | None = None


def canary_rows(canary: ServedCanary, rows: Sequence[Mapping[str, object]]) -> list[VersionRows]:
    """Return which version answers which rows while a canary runs; a version without rows is left out."""
    entities = [canary.entity(row) for row in rows]
    taken = [canary.takes(entity) for entity in entities]
    return [
        part
        for role, side in _SIDES
        if (part := _part(canary, role, [i for i, found in enumerate(taken) if found is side], entities)).places
    ]


def _part(canary: ServedCanary, role: Role, places: Sequence[int], entities: Sequence[int]) -> VersionRows:
    assignment = CanaryAssignment(canary=canary.run.number, role=role, entities=[entities[place] for place in places])
    model = canary.champion if role == "champion" else canary.challenger
    return VersionRows(model=model, places=places, canary=canary, assignment=assignment)
