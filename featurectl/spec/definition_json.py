"""Definitions as JSON and back: how a registry keeps what a version means.

Expressions are kept as written; their typed trees are computed again from the columns that stand in the
definition's source. A field that holds its default is left out, so that a new optional field changes no old text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TypeVar, Union, get_args, get_origin, get_type_hints

from featurectl.expressions.tree import Expression
from featurectl.spec.definition import (
    DerivedInput,
    Entity,
    FeatureInput,
    FeatureView,
    Model,
    ModelInput,
    RequestInput,
    Source,
)
from featurectl.spec.typing_model import check_model
from featurectl.spec.typing_source import check_source
from featurectl.spec.typing_view import check_view

T = TypeVar("T")
Json = Mapping[str, object]
_INPUTS: dict[str, type[ModelInput]] = {"feature": FeatureInput, "request": RequestInput, "derived": DerivedInput}


def dump_definition(definition: Entity | Source | FeatureView | Model) -> dict[str, object]:
    """Return a definition as JSON-ready data, from which `load_*` makes an equal one."""
    dumped = _dump(definition)
    assert isinstance(dumped, dict)
    return dumped


def load_entity(json: Json) -> Entity:
    """Return the entity of a dumped definition."""
    return _load_object(Entity, json)


def load_source(json: Json) -> Source:
    """Return the source of a dumped definition, its `select` typed by the columns that it holds."""
    source = _load_object(Source, json)
    return check_source(source, source.columns)[0]


def load_view(json: Json) -> FeatureView:
    """Return the feature view of a dumped definition, typed by the columns of its source that it holds."""
    view = _load_object(FeatureView, json)
    return check_view(view, view.source.columns)[0]


def load_model(json: Json) -> Model:
    """Return the model of a dumped definition, typed by the columns of its spine's source that it holds."""
    model = _load_object(Model, json)
    return check_model(model, model.spine.source.columns, None)[0]


def _dump(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Expression):
        return value.text
    if is_dataclass(value) and not isinstance(value, type):
        kept = {name: _dump(v) for name, default in _defaults(type(value)) if (v := getattr(value, name)) != default}
        kinds = [kind for kind, cls in _INPUTS.items() if type(value) is cls]
        return {"kind": kinds[0], **kept} if kinds else kept
    if isinstance(value, Mapping):
        return {str(key): _dump(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_dump(item) for item in value]
    return value


@cache
def _defaults(cls: type) -> tuple[tuple[str, object], ...]:
    """Return each field of a class with its default, or MISSING, which equals no value."""
    return tuple((f.name, f.default_factory() if f.default_factory is not MISSING else f.default) for f in fields(cls))


@cache
def _hints(cls: type) -> dict[str, object]:
    return get_type_hints(cls)


def _load_object(cls: type[T], json: object) -> T:
    assert isinstance(json, Mapping)
    kind: type = cls
    hints = _hints(kind)
    return cls(**{key: _load(hints[key], value) for key, value in json.items() if key in hints})


def _load(hint: object, value: object) -> object:
    """Return a JSON value as a value of a type hint of the definitions."""
    if value is None:
        return None
    if hint is Expression:
        return Expression(str(value))
    origin, args = get_origin(hint), get_args(hint)
    if hint == ModelInput:
        assert isinstance(value, Mapping)
        return _load_object(_INPUTS[str(value["kind"])], value)
    if origin in (Union, UnionType):
        options = [arg for arg in args if arg is not NoneType]
        return _load(options[0], value) if len(options) == 1 else value
    if origin is tuple:
        assert isinstance(value, list | tuple)
        return tuple(_load(args[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        assert isinstance(value, Mapping)
        return {key: _load(args[1], item) for key, item in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return _load_object(hint, value)
    return value
