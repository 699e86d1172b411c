"""Keys of entities that no source has that is read by them, or none in their type: an error at the entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.nearest import nearest
from featurectl.language.problems.codes import Problem
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.values import NAME
from featurectl.language.shapes.view import FeatureViewShape
from featurectl.language.syntax.place import Place
from featurectl.language.typing.sources import row_columns


@dataclass(slots=True)
class _Readers:
    """Who reads by a key under its own name: the columns of each source, and the places of the views."""

    columns: dict[str, Mapping[str, str]] = field(default_factory=dict)
    views: list[tuple[Place, str]] = field(default_factory=list)
    mapped: bool = False  # a view has another column for it: the name is meant


def check_entity_keys(views: Iterable[FeatureViewShape], declared: Declarations) -> None:
    """Report each key that no source has of those that views read by it, when it is probably the key that is wrong.

    That is where a column is called almost so, or several views read by it; likewise one whose columns all have another
    type. What else reads by it is not reported.
    """
    for (entity, key), readers in _readers(views, declared).items():
        if readers.mapped:
            continue
        if any(key in columns for columns in readers.columns.values()):
            _check_type(entity, key, readers, declared)
            continue
        near = nearest(key, [name for columns in readers.columns.values() for name in columns])
        if near or len(readers.views) > 1:
            declared.wrong_keys.add((entity, key))
            declared.report.add(_problem(entity, key, readers, near, declared))


def _check_type(entity: str, key: str, readers: _Readers, declared: Declarations) -> None:
    """Report a key of a type that none of the columns has of which several views read it: all have another one."""
    wanted = declared.entities[entity].keys[key]
    types = {columns.get(key, UNKNOWN) for columns in readers.columns.values()}
    if len(readers.views) < 2 or len(types) > 1 or types & {wanted, UNKNOWN}:
        return
    declared.wrong_keys.add((entity, key))
    names = ", ".join(f'"{name}"' for name in readers.columns)
    source = "source" if len(readers.columns) == 1 else "sources"
    declared.report.add(
        Problem(
            code="FC309",
            message=f'key "{key}" is {wanted}, column "{key}" of {source} {names} is {min(types)}',
            place=declared.places["entity", entity, "keys", key],
            notes=("or cast it in the `select` of each source",),
            related=tuple(readers.views[:3]),
        )
    )


def _readers(views: Iterable[FeatureViewShape], declared: Declarations) -> Mapping[tuple[str, str], _Readers]:
    found: dict[tuple[str, str], _Readers] = {}
    for view in views:
        for key in _keys(view, declared):
            readers = found.setdefault((view.entity or "", key), _Readers())
            readers.mapped |= key in (view.join or {})
            node = view.fields.scalar("source")
            source = declared.sources.get(node.text) if node else None
            columns = row_columns(source) if source else None
            if node is None or source is None or columns is None:
                continue
            readers.columns[source.name] = columns
            readers.views.append((node.span.place, f'feature view "{view.name}" reads it by that key'))
    return {name: readers for name, readers in found.items() if readers.columns}


def _keys(view: FeatureViewShape, declared: Declarations) -> Iterator[str]:
    entity = declared.entities.get(view.entity or "")
    if entity is not None and view.transform is None and ("entity", entity.name) not in declared.broken:
        yield from entity.keys


def _problem(entity: str, key: str, readers: _Readers, near: str, declared: Declarations) -> Problem:
    names = ", ".join(f'"{name}"' for name in readers.columns)
    who = f"source {names} has" if len(readers.columns) == 1 else f"sources {names} have"
    can_be_key = bool(NAME.fullmatch(near))
    column = near if near and not can_be_key else "COLUMN"
    return Problem(
        code="FC301",
        message=f'{who} no column "{key}", a key of entity "{entity}"',
        place=declared.places["entity", entity, "keys", key],
        suggestion=f'did you mean "{near}"?' if can_be_key else "",
        notes=(f"{'or ' if can_be_key else ''}`join: {{{key}: {column}}}` of a view says which column has it",),
        related=tuple(readers.views[:3]),
    )
