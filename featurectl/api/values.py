"""Values of entities: online, or by the offline table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, cast, overload

import polars as pl

from featurectl.api.base import ProjectBase
from featurectl.api.frames import AnyFrame, FrameT, is_several, kind_of_frame, like, mapped_rows, to_kind, to_polars
from featurectl.core.errors import UsageError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names
from featurectl.online.base import KeyValue
from featurectl.online.client.clients import warn_of_old_names
from featurectl.online.client.entity_keys import missing_key_hint
from featurectl.online.read import Answer
from featurectl.operations.entity_values import (
    ONLY_NEWEST,
    chosen_features,
    entity_request,
    is_before_push,
    old_names_among,
    split_version,
)
from featurectl.operations.offline_rows import bound_version, read_offline_rows
from featurectl.operations.online_rows import read_online, stream_ahead
from featurectl.render.screen import cut_text
from featurectl.sources.casts import cast_exact
from featurectl.workspace.online_schema import read_online_schema
from featurectl.workspace.workspace import Workspace

_EPOCH: Final = date(1970, 1, 1)
_ENTITIES: Final = "entities"
_LONGEST: Final = 40  # columns of a value in a hint
_Entities = AnyFrame | Mapping[str, object] | None


class ValueMethods(ProjectBase):
    """The method that gives values of entities."""

    @overload
    def get(self, view: str, entities: Mapping[str, object], *, offline: bool = False) -> dict[str, object]: ...
    @overload
    def get(self, view: str, entities: None = None, *, offline: bool = False) -> Any: ...
    @overload
    def get(self, view: str, entities: FrameT, *, offline: bool = False) -> FrameT: ...
    def get(self, view: str, entities: AnyFrame | Mapping[str, object] | None = None, *, offline: bool = False) -> Any:
        """Return the online values of a view: a row for each row of `entities`, which holds the entity's keys.

        They are of the newest version that was pushed, of `"spend@2"` of that one, of `"spend:count_7d,per_order"` of
        these features alone. One entity may be a mapping of its keys, which gives a mapping of its values; a mapping of
        lists, arrays or columns is several. A view without an entity needs no entities and gives one row. `offline`:
        the values are computed from the offline table, as of the instant that the project has as now. The online store
        has the newest values alone: a UserWarning says so in a project `as_of` an instant before the last push, and
        where the values of a stream lie ahead of the clock by more than a minute.

        Columns: the keys, the view's features and derived ones, and `event_time`, `available_at` and `computed_at` of
        the values. An entity that the store does not have has null, 0 for counts. A frame is of the kind that was
        given; of pandas with its index.

        Raises:
            UsageError: there is no such view, version or feature, it is offline only, or a key is missing.
            DataError: FC511 the view was never pushed, FC510 it was never materialized, FC504 a key has another type.
            StoreError: the store can't be reached.
        """
        is_one = isinstance(entities, Mapping) and not any(is_several(value) for value in entities.values())
        with self.workspace("project file") as workspace:
            read = (_offline if offline else _online)(workspace, view, entities)
        if not offline and is_before_push(self.as_of, read.answers):
            self._warn([ONLY_NEWEST], "get")
        if read.ahead:
            self._warn([read.ahead], "get")
        values = _rows(read)
        if is_one:
            return cast("dict[str, object]", values.row(0, named=True))
        if entities is None or isinstance(entities, Mapping):
            return to_kind(values, self.frames)
        return like(values, entities)


def _given(entities: _Entities, keys: Sequence[str]) -> pl.DataFrame:
    """Return entities as a frame; `keys` are those that the view wants of them."""
    if isinstance(entities, Mapping):
        return mapped_rows(entities)
    if entities is None:
        return pl.DataFrame()
    if kind_of_frame(entities) is None and not isinstance(entities, pl.LazyFrame):
        found = f"{type(entities).__module__}.{type(entities).__qualname__}".removeprefix("builtins.")
        raise UsageError(f"entities is of type {found}, which names no key", hint=_keys_hint(entities, keys))
    return to_polars(entities, _ENTITIES)


def _keys_hint(given: object, keys: Sequence[str]) -> str:
    """Return how entities are written, with the value that was given where it can be the key."""
    if not keys:
        return "the view has no entity: leave it out"
    is_key = len(keys) == 1 and isinstance(given, int | str | list) and given != []
    value = cut_text(repr(given), _LONGEST) if is_key else "..."
    shown = ", ".join(f'"{key}": {value}' for key in keys)
    return f"write {{{shown}}}, or a frame of pandas, Polars or PyArrow with a column for each key"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadValues:
    """What was read of a view, an answer for each row of keys; `chosen` are the features by the names asked for."""

    view: FeatureView
    keys: pl.DataFrame
    answers: Sequence[Answer]
    chosen: Mapping[str, str]
    ahead: str = ""


def _online(workspace: Workspace, view: str, entities: _Entities) -> _ReadValues:
    request = entity_request(view, ())
    name, number = split_version(request.view)
    read = read_online_schema(workspace, [name]).view(name, number)
    keys = _keys(read.view, entities)
    chosen = chosen_features(read.view, request.features)
    warn_of_old_names(old_names_among(name, chosen))
    answers = read_online(workspace, read, _entities(keys), chosen.values())
    ahead = stream_ahead(workspace, read, answers)
    return _ReadValues(view=read.view, keys=keys, answers=answers, chosen=chosen, ahead=ahead)


def _offline(workspace: Workspace, view: str, entities: _Entities) -> _ReadValues:
    request = entity_request(view, ())
    bound = bound_version(workspace, *split_version(request.view))
    keys = _keys(bound.view, entities)
    chosen = chosen_features(bound.view, request.features)
    warn_of_old_names(old_names_among(bound.view.name, chosen))
    answers = read_offline_rows(workspace, bound, _entities(keys))
    return _ReadValues(view=bound.view, keys=keys, answers=answers, chosen=chosen)


def _keys(view: FeatureView, entities: _Entities) -> pl.DataFrame:
    types = view.key_types
    given = _given(entities, list(types))
    if missing := [name for name in types if name not in given.columns]:
        hint = _keys_hint(None, list(types)) if entities is None else missing_key_hint(missing[0], types, given.columns)
        raise UsageError(f"key {missing[0]} is missing", hint=hint)
    columns = [cast_exact(given[name], dtype, f"entities: key {name}") for name, dtype in types.items()]
    return pl.DataFrame(columns)


def _entities(keys: pl.DataFrame) -> list[list[KeyValue | None]]:
    return [[_key(value) for value in row] for row in keys.iter_rows()] if keys.width else [[]]


def _key(value: KeyValue | date | None) -> KeyValue | None:
    return (value - _EPOCH).days if isinstance(value, date) else value


def _rows(read: _ReadValues) -> pl.DataFrame:
    """Return a row for each answer: keys, features by the names that they have now or are asked for by, and clocks."""
    stored = {now: name for name, now in current_names(read.view).items()}
    names = read.chosen or {name: name for name in stored}
    columns = [_column(read.view, name, stored[now], read.answers) for name, now in names.items()]
    clocks = {
        "event_time": [a.event_time for a in read.answers],
        "available_at": [a.available_at for a in read.answers],
        "computed_at": [a.computed_at for a in read.answers],
    }
    columns += [pl.Series(name, instants, dtype=INSTANT) for name, instants in clocks.items() if name not in names]
    return pl.concat([read.keys, pl.DataFrame(columns)], how="horizontal")


def _column(view: FeatureView, name: str, stored: str, answers: Sequence[Answer]) -> pl.Series:
    dtype = polars_dtype(view.dtype_of(stored) or "string")
    return pl.Series(name, [answer.values[stored].value for answer in answers], dtype=dtype)
