"""Definitions as JSON and back: how a registry keeps what a version means.

Expressions are kept as written; their typed trees are computed again from the columns that stand in the
definition's source. A field that holds its default is left out, so that a new optional field changes no old text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import TypeVar, Union, get_args, get_origin, get_type_hints

from featurectl.core.documents import NewerDocumentError
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.fitting import fits
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Model, ModelInput, RequestInput
from featurectl.language.definitions.pipelines import Deployment, Pipeline
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.unreadable import unreadable_document
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.models import type_check_model
from featurectl.language.typing.sources import type_check_source
from featurectl.language.typing.views import type_check_view

T = TypeVar("T")
Json = Mapping[str, object]
Reader = Callable[[object], object]
_INPUTS: dict[str, type[ModelInput]] = {"feature": FeatureInput, "request": RequestInput, "derived": DerivedInput}


def dump_definition(
    definition: Entity | Source | FeatureView | Model | Pipeline | Deployment | Alert | Notifier,
) -> dict[str, object]:
    """Return a definition as JSON-ready data, from which `load_*` makes an equal one."""
    dumped = _dump(definition)
    assert isinstance(dumped, dict)
    return dumped


def load_entity(json: Json) -> Entity:
    """Return the entity of a dumped definition.

    Raises:
        StoreError: FC601, it is none, FC604, a newer version has written it; each `load_*` raises it.
    """
    return _load(Entity, json)


def load_source(json: Json) -> Source:
    """Return the source of a dumped definition, its `select` typed by the columns that it holds."""
    return _load(Source, json, lambda source: type_check_source(source, source.columns)[0])


def load_view(json: Json) -> FeatureView:
    """Return the feature view of a dumped definition, typed by the columns of its source that it holds."""
    return _load(FeatureView, json, lambda view: type_check_view(view, view.source.columns)[0])


def load_untyped_view(json: Json) -> FeatureView:
    """Return the feature view of a dumped definition with the types that it holds; its expressions are texts alone."""
    return _load(FeatureView, json)


def load_untyped_source(json: Json) -> Source:
    """Return the source of a dumped definition with the types that it holds; its expressions are texts alone."""
    return _load(Source, json)


def load_untyped_model(json: Json) -> Model:
    """Return the model of a dumped definition with the types that it holds; its expressions are texts alone."""
    return _load(Model, json)


def load_model(json: Json) -> Model:
    """Return the model of a dumped definition, typed by the columns of its spine's source that it holds."""
    return _load(Model, json, lambda model: type_check_model(model, model.spine.source.columns, None)[0])


def load_pipeline(json: Json) -> Pipeline:
    """Return the pipeline of a dumped definition."""
    return _load(Pipeline, json)


def load_deployment(json: Json) -> Deployment:
    """Return the deployment of a dumped definition."""
    return _load(Deployment, json)


def load_alert(json: Json) -> Alert:
    """Return the alert of a dumped definition."""
    return _load(Alert, json)


def load_notifier(json: Json) -> Notifier:
    """Return the notifier of a dumped definition, its address with the names of variables."""
    return _load(Notifier, json)


def _load(cls: type[T], json: Json, typed: Callable[[T], T] = lambda loaded: loaded) -> T:
    try:
        loaded = _load_object(cls, json)
        assert fits(loaded), "a value is of another type"
        return typed(loaded)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise unreadable_document("a definition", error) from error


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


def _load_object(cls: type[T], json: object) -> T:
    assert isinstance(json, Mapping)
    kind: type = cls
    readers = _readers(kind)
    for key in json.keys() - readers.keys():
        raise NewerDocumentError(cls, key)
    return cls(**{key: readers[key](value) for key, value in json.items()})


@cache
def _readers(cls: type) -> dict[str, Reader]:
    """Return what makes a value of each field of a class out of JSON."""
    return {name: _reader(hint) for name, hint in get_type_hints(cls).items()}


@cache
def _reader(hint: object) -> Reader:
    """Return what makes a value of a type hint of the definitions out of JSON; null is None for each of them."""
    origin, args = get_origin(hint), get_args(hint)
    options = [arg for arg in args if arg is not NoneType] if origin in (Union, UnionType) else []
    if hint is Expression:
        read: Reader = _read_expression
    elif hint == ModelInput:
        read = _read_input
    elif len(options) == 1:
        read = _reader(options[0])
    elif origin is tuple:
        read = partial(_read_tuple, _reader(args[0]))
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        read = partial(_read_mapping, _reader(args[1]))
    elif hint is Source:
        read = _read_source
    elif isinstance(hint, type) and is_dataclass(hint):
        read = partial(_load_object, hint)
    else:
        return _read_plain
    return lambda value: None if value is None else read(value)


def _read_plain(value: object) -> object:
    return value


def _read_expression(value: object) -> Expression:
    return Expression(str(value))


def _read_source(value: object) -> object:
    """Return a source; a text is the name alone, all that registries kept of validation sources before."""
    return Source(name=value, format="parquet") if isinstance(value, str) else _load_object(Source, value)


def _read_input(value: object) -> object:
    assert isinstance(value, Mapping)
    fields = {key: item for key, item in value.items() if key != "kind"}
    return _load_object(_INPUTS[str(value["kind"])], fields)


def _read_tuple(item: Reader, value: object) -> object:
    assert isinstance(value, list | tuple)
    return tuple(map(item, value))


def _read_mapping(item: Reader, value: object) -> object:
    assert isinstance(value, Mapping)
    return {key: item(found) for key, found in value.items()}
