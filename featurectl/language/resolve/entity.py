"""Shapes of entities -> definitions."""

from __future__ import annotations

from featurectl.core.dtypes import KEY_TYPES
from featurectl.language.definitions.entity import Entity
from featurectl.language.resolve.about import about_of
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.entity import EntityShape
from featurectl.language.shapes.values import is_reserved
from featurectl.language.syntax.node import Fields


def resolve_entity(shape: EntityShape, declared: Declarations) -> Entity:
    """Return an entity; FC104 a type that no key can have, FC105 a reserved name, FC207 a name that has two types."""
    keys = shape.fields.get("keys")
    assert isinstance(keys, Fields)
    for key, dtype in shape.keys.items():
        if dtype not in KEY_TYPES:
            message = f"a key can't be {dtype}; keys are {', '.join(KEY_TYPES)}"
            declared.report.error("FC104", message, keys.place(key))
        if is_reserved(key):
            message = f'"{key}" is a column that every view has, it can\'t be a key'
            note = f"give the key another name: `join: {{NAME: {key}}}` of a view maps it to the column of the source"
            declared.report.error("FC105", message, keys.keys[key].place, note=note)
        other = declared.keyed.get(key)
        if other is not None and other.keys[key] != dtype:
            first = declared.places[("entity", other.name, "keys", key)]
            message = f'key "{key}" is {dtype} here and {other.keys[key]} in entity "{other.name}"'
            declared.report.clash("FC207", message, keys.keys[key].place, (first, "the other type stands here"))
    entity = Entity(name=shape.name, keys=dict(shape.keys), about=about_of(shape))
    for key in entity.keys:
        declared.keyed.setdefault(key, entity)
    return entity
