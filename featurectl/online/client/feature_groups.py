"""The features of a reader in groups that one decoding serves, and columns made of what an entity has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from featurectl.language.definitions.model import FeatureInput
from featurectl.online.client.feature_columns import FeatureColumn
from featurectl.online.client.read_view import ReadView
from featurectl.online.decode.columns import Default, EntityRow, EntityRows, ViewColumns
from featurectl.online.read import Status

make_column = cast("Callable[[tuple[object, ...]], FeatureColumn]", partial(tuple.__new__, FeatureColumn))
PRESENT: Final[Sequence[Status]] = ["PRESENT"]  # nobody changes what a column holds
NOT_DEFAULTED: Final = [False]


@dataclass(slots=True, kw_only=True)
class FeatureGroup:
    """Inputs that one decoding serves: of one view under one join, with the same defaults."""

    source: ReadView
    join: Mapping[str, str]
    defaults: dict[str, Default] = field(default_factory=dict)
    picked: dict[str, str] = field(default_factory=dict)  # name -> feature
    columns: list[tuple[str, int]] = field(default_factory=list)  # name, place in a row's values
    decoder: ViewColumns | None = None
    trip: int = 0
    place: int = 0
    is_event: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_event = self.source.view.kind == "event"


def grouped_inputs(inputs: Sequence[FeatureInput], views: Mapping[str, ReadView]) -> list[FeatureGroup]:
    """Return the inputs in groups: those with one default for each feature, the first given, stay together.

    An input that gives a feature another default, or none, sees its own, as in a training set.
    """
    first: dict[tuple[str, str], dict[str, Default]] = {}
    for item in inputs:
        if item.default is not None:
            first.setdefault(_asked(item), {}).setdefault(item.feature, item.default)
    groups: dict[tuple[tuple[str, str], str], FeatureGroup] = {}
    for item in inputs:
        defaults = dict(first.get(_asked(item), {}))
        if item.default != defaults.get(item.feature):
            defaults.pop(item.feature, None)
            defaults |= {} if item.default is None else {item.feature: item.default}
        made = FeatureGroup(source=views[item.view], join=item.join, defaults=defaults)
        groups.setdefault((_asked(item), repr(sorted(defaults.items()))), made).picked[item.name] = item.feature
    return list(groups.values())


def _asked(item: FeatureInput) -> tuple[str, str]:
    return item.view, repr(sorted(item.join.items()))


def single_columns(group: FeatureGroup, row: EntityRow) -> dict[str, FeatureColumn]:
    """Return the features of a single row."""
    source, values, event_us, computed_us = group.source, row.values, [row.event_us], [row.computed_us]
    statuses, defaulted = row.statuses, row.defaulted
    return {
        name: make_column((source, [values[i]], [statuses[i]], [defaulted[i]], event_us, computed_us))
        for name, i in group.columns
    }


def group_columns(group: FeatureGroup, rows: Sequence[EntityRow], usual: Sequence[Status]) -> dict[str, FeatureColumn]:
    """Return the features of some rows; those whose statuses are `usual` itself have all features."""
    source = group.source
    event_us, computed_us = [row.event_us for row in rows], [row.computed_us for row in rows]
    values = [*map(list, zip(*[row.values for row in rows], strict=True))] or [[] for _ in usual]
    if all(row.statuses is usual for row in rows):  # all present, and nothing defaulted then
        present, false = [usual[0]] * len(rows), [False] * len(rows)
        return {
            name: make_column((source, values[i], present, false, event_us, computed_us)) for name, i in group.columns
        }
    statuses = [*map(list, zip(*[row.statuses for row in rows], strict=True))]
    defaulted = [*map(list, zip(*[row.defaulted for row in rows], strict=True))]
    return {
        name: make_column((source, values[i], statuses[i], defaulted[i], event_us, computed_us))
        for name, i in group.columns
    }


def columns_at_once(group: FeatureGroup, rows: EntityRows) -> dict[str, FeatureColumn]:
    """Return the features of rows that are there by feature."""
    source, (values, statuses, defaulted, event_us, computed_us) = group.source, rows
    return {
        name: make_column((source, values[i], statuses[i], defaulted[i], event_us, computed_us))
        for name, i in group.columns
    }
