"""Shapes of feature views -> definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

from featurectl.core.nearest import did_you_mean
from featurectl.core.units import format_duration
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import UNKNOWN_SOURCE, Source
from featurectl.language.definitions.view import Derived, Feature, FeatureView
from featurectl.language.resolve.about import freshness_of
from featurectl.language.resolve.aggregates import Stored, add_aggregate
from featurectl.language.resolve.checks import resolve_checks
from featurectl.language.resolve.declarations import Declarations, check_declared, report_issues
from featurectl.language.resolve.seen_columns import name_files
from featurectl.language.resolve.stream_views import check_stream_view
from featurectl.language.resolve.transformed import result_columns
from featurectl.language.resolve.view_names import check_own_names, use_current_names
from featurectl.language.shapes.base import listed_names, scalars
from featurectl.language.shapes.source import FreshnessShape
from featurectl.language.shapes.view import (
    AggregateShape,
    DerivedShape,
    FeatureShape,
    FeatureViewShape,
    ViewDerivedShape,
)
from featurectl.language.syntax.node import Fields
from featurectl.language.syntax.place import Place
from featurectl.language.transform import resolve_transform
from featurectl.language.typing.scope import Part, bare_column
from featurectl.language.typing.sources import row_columns
from featurectl.language.typing.views import type_check_view

Named = TypeVar("Named", Feature, Derived)


def resolve_view(shape: FeatureViewShape, declared: Declarations, root: Path) -> FeatureView | None:
    """Return a view typed as far as its source's columns are known, or None when a source or its entity is missing."""
    wrong_before = ("feature_view", shape.name) in declared.broken
    sources, entity, found = _references(shape, declared)
    source = sources[0] or UNKNOWN_SOURCE
    _check_kind(shape, source, declared)
    check_stream_view(shape, sources, declared)
    _check_retention(shape, declared)
    _check_refresh(shape, declared)
    transform = resolve_transform(shape, tuple(s for s in sources[1:] if s is not None), declared, root)
    stored = Stored(keys=tuple(entity.keys) if entity else ())
    join = _join(shape, entity, stored, declared)
    if shape.where is not None and (where := shape.fields.scalar("where")):
        stored.places[("where",)] = where
    columns, found_before = row_columns(source), len(declared.report.problems)
    for aggregate in shape.aggregates or ():
        add_aggregate(aggregate, stored, columns, declared)
    for feature in shape.features or ():
        _add_feature(feature, stored, transform=shape.transform is not None, declared=declared)
    for item in shape.derived:
        _add_derived(item, stored)
    check_own_names(stored, declared)
    use_current_names(stored, declared)
    view = replace(_view(shape, source, entity, join, stored), transform=transform)
    typed, issues = type_check_view(view, source.columns)
    if (
        wrong_before or len(declared.report.problems) > found_before
    ):  # what is left out may be what an expression misses
        issues = [i for i in issues if not (i.code == "FC301" and i.part[0] == "derived")]
    if entity is not None and not entity.keys.keys() >= (shape.join or {}).keys():  # one may be meant by a wrong key
        issues = [i for i in issues if not (i.part[0] == "key" and i.part[1] not in (shape.join or {}))]
    if entity is not None and any((entity.name, key) in declared.wrong_keys for key in entity.keys):
        declared.broken.add(("feature_view", shape.name))
        issues = [i for i in issues if not (i.part[0] == "key" and (entity.name, i.part[1]) in declared.wrong_keys)]
    report_issues(declared.report, name_files(issues, view.source, view), stored.places, shape.fields.head)
    checks = resolve_checks(shape.checks, _row_columns(typed), declared)
    return replace(typed, checks=checks) if found else None


def _row_columns(view: FeatureView) -> Mapping[str, str] | None:
    """Return the columns of a view's rows, which its checks may name: those of its source, or of its transform."""
    return row_columns(view.source) if view.kind != "transform" else result_columns(view)


def check_view_names(fields: Fields, declared: Declarations) -> None:
    """Report unknown sources, and an unknown entity, of a view that is wrong in other ways."""
    check_declared("source", listed_names(fields, "source") or scalars(fields, "source"), declared)
    check_declared("entity", scalars(fields, "entity"), declared)


def _references(shape: FeatureViewShape, declared: Declarations) -> tuple[list[Source | None], Entity | None, bool]:
    """Return the sources and the entity, and whether everything that is named exists."""
    nodes = listed_names(shape.fields, "source") or scalars(shape.fields, "source")
    if len(nodes) > 1 and shape.transform is None:
        message = "only a transform takes several sources"
        declared.report.error("FC107", message, nodes[1].span.place)
    sources = [declared.find(declared.sources, "source", node.text, node) for node in nodes]
    entity = None
    if shape.entity is not None:
        entity = declared.find(declared.entities, "entity", shape.entity, shape.fields.scalar("entity"))
    found = None not in sources and (shape.entity is None or entity is not None)
    return sources, entity, found


def _check_kind(shape: FeatureViewShape, source: Source, declared: Declarations) -> None:
    if shape.aggregates is None:
        return
    report, fields = declared.report, shape.fields
    if source.static and source.name not in declared.timeless:
        message = f'windows need a time, and source "{source.name}" has no event_time'
        other = (declared.names[("source", source.name)], f'source "{source.name}" is declared here')
        report.clash("FC307", message, fields.keys["aggregates"].place, other)
    windows = [w for a in shape.aggregates for w in a.windows if w is not None]
    if shape.hop is not None and windows and shape.hop * 4 > min(windows):
        report.error("FC104", "a hop is at most a quarter of the shortest window", fields.place("hop"))


def _check_retention(shape: FeatureViewShape, declared: Declarations) -> None:
    """Report a table that is kept for a shorter time than an answer looks back."""
    windows = [w + (a.offset or 0) for a in shape.aggregates or () for w in a.windows if w is not None]
    longest = max([*windows, shape.ttl or 0], default=0)
    if shape.retention is not None and shape.retention < longest:
        message = f"its answers look back {format_duration(longest)}: a table can't be kept for less"
        declared.report.error("FC104", message, shape.fields.place("retention"))


def _check_refresh(shape: FeatureViewShape, declared: Declarations) -> None:
    """Warn of a `refresh` after which values are older than the view, or a feature, may be: once of each SLA."""
    if shape.refresh is None:
        return
    note = f"values are up to {format_duration(shape.refresh)} old before they are computed again"
    for freshness, of, place in _slas(shape):
        if broken := _broken_bound(shape.refresh, freshness):
            message = f"refresh {format_duration(shape.refresh)} can't meet {broken}{of}"
            declared.report.warning("FC353", message, place, note=note)


def _slas(shape: FeatureViewShape) -> Iterator[tuple[FreshnessShape, str, Place]]:
    """Give the SLA of a view and those of its features, with whose they are and where to warn of them."""
    if shape.freshness is not None:
        yield shape.freshness, "", shape.fields.place("refresh")
    parts: list[AggregateShape | FeatureShape | DerivedShape]
    parts = [*(shape.aggregates or ()), *(shape.features or ()), *shape.derived]
    for part in parts:
        if part.freshness is not None:
            yield part.freshness, f" of {part.called(part.fields)}", part.fields.place("freshness")


def _broken_bound(refresh_us: int, freshness: FreshnessShape) -> str:
    """Return the graver bound of an SLA that values break before they are computed again; "": none."""
    for name, bound in (("error_after", freshness.error_after), ("warn_after", freshness.warn_after)):
        if bound is not None and refresh_us > bound:
            return f"{name} {format_duration(bound)}"
    return ""


def _join(shape: FeatureViewShape, entity: Entity | None, stored: Stored, declared: Declarations) -> dict[str, str]:
    """Return every key of the entity with its column of the source."""
    if entity is None:
        return {}
    node = shape.fields.get("join")
    given = shape.join or {}
    fields = node if isinstance(node, Fields) else None
    check_join_keys(fields, entity, declared)
    entity_node = shape.fields.scalar("entity")
    for key in entity.keys:
        written = fields.scalar(key) if fields else None
        place = written or entity_node
        if place is not None:
            stored.places[("key", key)] = place
    return {key: given.get(key, key) for key in entity.keys}


def check_join_keys(fields: Fields | None, entity: Entity, declared: Declarations) -> None:
    """Report FC206 for each key of a `join` that the entity does not have."""
    for key, span in fields.keys.items() if fields else ():
        if key not in entity.keys:
            message = f'entity "{entity.name}" has no key "{key}"'
            note = f"keys: {', '.join(entity.keys)}"
            declared.report.error("FC206", message, span.place, suggestion=did_you_mean(key, entity.keys), note=note)


def _add_feature(shape: FeatureShape, stored: Stored, *, transform: bool, declared: Declarations) -> None:
    node = shape.fields.scalar("expr") or shape.fields.scalar("name")
    assert node is not None
    name = shape.name
    if transform and shape.type is None:
        declared.report.error(
            "FC103", f'no "type" in {shape.called(shape.fields)}: a transform\'s needs it', node.span.place
        )
    if transform and shape.expr is not None:
        message = "a transform returns its features as they are: this belongs into the function"
        declared.report.error("FC107", message, node.span.place)
    text = shape.expr if shape.expr is not None and not transform else bare_column(name).text
    column = stored.keep(name, text, node)
    head = shape.fields.scalar("name") or node
    stored.places.setdefault(("feature", name), head)
    stored.named.append((name, head.span.place))
    for key in ("type", "default"):
        if (written := shape.fields.scalar(key)) is not None:
            stored.places[("feature", name, key)] = written
    stored.features.append(
        Feature(
            name=name,
            op="latest",
            column=column,
            dtype=shape.type,
            default=shape.default,
            fill_last=shape.fill is not None,
            freshness=freshness_of(shape.freshness),
            description=shape.description,
            aliases=_aliases(shape, stored),
        )
    )


def _aliases(shape: FeatureShape | ViewDerivedShape, stored: Stored) -> tuple[str, ...]:
    """Return what a feature was called before, and keep where that stands."""
    stored.aliases += [(node.text, shape.name, node.span.place) for node in listed_names(shape.fields, "aliases")]
    return shape.aliases


def _add_derived(shape: ViewDerivedShape, stored: Stored) -> None:
    part: Part = ("derived", shape.name)
    for key, words in (("expr", part), ("default", (*part, "default"))):
        if (node := shape.fields.scalar(key)) is not None:
            stored.places.setdefault(words, node)
    stored.named.append((shape.name, shape.fields.head))
    stored.derived.append(
        Derived(
            name=shape.name,
            expression=Expression(shape.expr),
            dtype=None,
            default=shape.default,
            freshness=freshness_of(shape.freshness),
            description=shape.description,
            aliases=_aliases(shape, stored),
        )
    )


def _first_of_each(items: Sequence[Named]) -> tuple[Named, ...]:
    found: dict[str, Named] = {}
    for item in items:
        found.setdefault(item.name, item)
    return tuple(found.values())


def _view(
    shape: FeatureViewShape, source: Source, entity: Entity | None, join: Mapping[str, str], stored: Stored
) -> FeatureView:
    """Return the view, not typed yet; of two features with one name (reported) the first stays."""
    kind: Literal["event", "state", "transform"] = (
        "transform" if shape.transform is not None else "event" if shape.aggregates is not None else "state"
    )
    return FeatureView(
        name=shape.name,
        kind=kind,
        entity=entity,
        source=source,
        join=join,
        where=Expression(shape.where) if shape.where is not None else None,
        inputs=tuple(stored.inputs.values()),
        features=_first_of_each(stored.features),
        derived=_first_of_each(stored.derived),
        ttl_us=shape.ttl,
        closed=shape.closed or "left",
        hop_us=shape.hop,
        online=shape.online,
        refresh_us=shape.refresh,
        retention_us=shape.retention,
        freshness=freshness_of(shape.freshness),
        about=About(description=shape.description, owner=shape.owner, tags=shape.tags),
    )
