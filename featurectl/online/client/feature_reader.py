"""Features of several view versions for many rows: what to ask of the store, and what its answers mean.

Nothing here reads: `FeatureReader.asks` says what has to be fetched, `answer` makes columns of what came back, so that
callers who wait and callers who do not share all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, cast

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import DataError
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.renaming import named_features
from featurectl.online.base import Ask, Found
from featurectl.online.client.entity_keys import missing_key_hint, pack_columns
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, KeyRows
from featurectl.online.client.read_view import ReadView
from featurectl.online.corrupt_rows import BrokenRowError, RowPlace
from featurectl.online.decode.columns import Default, EntityRow, ViewColumns
from featurectl.online.decode.moment import Moment, moment_of
from featurectl.online.decode.row import row_schema_id
from featurectl.online.read import Status

_column = cast("Callable[[tuple[object, ...]], FeatureColumn]", partial(tuple.__new__, FeatureColumn))
_PRESENT: Final[Sequence[Status]] = ["PRESENT"]  # nobody changes what a column holds
_FALSE: Final = [False]


@dataclass(slots=True, kw_only=True)
class _Group:
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


@dataclass(slots=True, kw_only=True)
class _Trip:
    """Keys by which several view versions are read together."""

    project: str
    env: str
    types: Mapping[str, str]  # column of the request -> type
    fields: list[str]


class AgeLimit(NamedTuple):
    """How old the rows of a view may be, behind what is read of it under a name."""

    name: str
    view: ReadView
    error_after_us: int


def _limits(group: _Group) -> Iterator[AgeLimit]:
    """Give the limits of what a group reads: each feature's own SLA, else its view's."""
    view = group.source.view
    own = {item.name: item.freshness for item in named_features(view)}
    for name, feature in group.picked.items():
        sla = own[feature] or view.freshness
        if sla is not None and sla.error_after_us is not None:
            yield AgeLimit(name=name, view=group.source, error_after_us=sla.error_after_us)


class FeatureReader:
    """Reads the feature inputs of a model, or any list of them; `views` are the view versions by name.

    Keys are columns of the caller's rows, named by each input's join. Make it once, use it often. `old_names` says of
    each feature that is asked for by an alias what it is called now, `entities` has the features by the columns of
    their keys.
    """

    def __init__(
        self, inputs: Sequence[FeatureInput], views: Mapping[str, ReadView], old_names: Sequence[str] = ()
    ) -> None:
        self.old_names = tuple(old_names)
        self.names = [item.name for item in inputs]
        self._groups = _grouped(inputs, views)
        self._trips: list[_Trip] = []
        for group in self._groups:
            group.decoder = ViewColumns(group.source.view, group.source.online, group.defaults)
            group.trip, group.place = self._place(group)
            places = {name: i for i, name in enumerate(group.decoder.names)}
            group.columns = [(name, places[feature]) for name, feature in group.picked.items()]
        types: dict[str, str] = {}
        for trip in self._trips:
            types |= trip.types
        self.key_types: Mapping[str, str] = types  # what every row has to bring
        self.views = list({group.source.field: group.source for group in self._groups}.values())  # each once
        self.versions = {view.online.view: view.online.version for view in self.views}
        self.limits = [limit for group in self._groups for limit in _limits(group)]
        self.entities = self._features_by_entity()
        self._in_order = [name for group in self._groups for name in group.picked] == self.names

    def asks(self, keys: Mapping[str, Sequence[object]], count: int) -> tuple[list[Ask], list[list[bytes | None]]]:
        """Return what to fetch for `count` rows with these keys by column, and the packed keys of every row.

        Raises:
            DataError: FC506 a key column is missing, FC504 a value does not fit.
        """
        for name in self.key_types:
            if name not in keys:
                hint = missing_key_hint(name, self.key_types, keys)
                raise DataError(f"key {name} is missing", code="FC506", hint=hint)
        packed = [pack_columns(trip.types, keys, count) for trip in self._trips]
        asks = [
            Ask(
                project=trip.project,
                env=trip.env,
                fields=tuple(trip.fields),
                keys=[key for key in column if key is not None],
            )
            for trip, column in zip(self._trips, packed, strict=True)
        ]
        return asks, packed

    def unknown_schemas(
        self, packed: Sequence[Sequence[bytes | None]], found: Sequence[Sequence[Found]]
    ) -> list[tuple[ViewColumns, ReadView, int]]:
        """Return the schemas that have to be learned before these rows can be read.

        Raises:
            StoreError: something is no row, or one of a later format.
        """
        if self._knows(found):
            return []
        wanted: dict[tuple[int, int], tuple[ViewColumns, ReadView, int]] = {}
        for number, group in enumerate(self._groups):
            assert group.decoder is not None
            data = [rows[group.place] for rows in found[group.trip]]
            for row in group.decoder.unknown_rows(data):
                schema_id = row_schema_id(data[row] or b"", self._places(group, packed[group.trip])[row])
                wanted[number, schema_id] = (group.decoder, group.source, schema_id)
        return list(wanted.values())

    def _knows(self, found: Sequence[Sequence[Found]]) -> bool:
        """Return whether each row is long enough for every format, and of a schema that is known: nearly always."""
        for group in self._groups:
            assert group.decoder is not None
            if not group.decoder.knows(found[group.trip], group.place):
                return False
        return True

    def answer(
        self,
        packed: Sequence[Sequence[bytes | None]],
        found: Sequence[Sequence[Found]],
        asked: KeyRows,
        pushed: Mapping[str, datetime | None],
    ) -> FeatureColumns:
        """Return the features of every row that was asked about.

        `pushed` holds the last push of each event view, by `view@version`.
        """
        if asked.count == 1 and (single := self.single(found, asked, pushed)) is not None:
            return single
        columns: dict[str, FeatureColumn] = {}
        for some in self.answers(packed, found, asked, pushed):
            columns |= some
        return self.columns(columns, asked)

    def single(
        self, found: Sequence[Sequence[Found]], asked: KeyRows, pushed: Mapping[str, datetime | None]
    ) -> FeatureColumns | None:
        """Return what `answer` returns of one row; None where a view has none, or one that is no usual one."""
        columns: dict[str, FeatureColumn] = {}
        begin, is_present = moment_of(asked.now, latest=asked.latest), True
        for group in self._groups:
            decoder, source, rows = group.decoder, group.source, found[group.trip]
            assert decoder is not None
            if not rows or (data := rows[0][group.place]) is None:
                return None
            moment = begin.after_push(pushed.get(source.field)) if group.is_event else begin
            try:
                row = decoder.quick(data, moment)
            except (ValueError, IndexError, TypeError, ArithmeticError, BrokenRowError):  # `answers` tells
                return None
            if row is None:
                return None
            if row.statuses is not decoder.all_present:
                is_present = False
                columns |= _one(group, row)
                continue
            values, event_us, computed_us = row.values, [row.event_us], [row.computed_us]
            for name, i in group.columns:
                columns[name] = _column((source, [values[i]], _PRESENT, _FALSE, event_us, computed_us))
        ordered = columns if self._in_order else {name: columns[name] for name in self.names}
        return FeatureColumns(columns=ordered, count=1, now=asked.now, latest=asked.latest, is_present=is_present)

    def answers(
        self,
        packed: Sequence[Sequence[bytes | None]],
        found: Sequence[Sequence[Found]],
        asked: KeyRows,
        pushed: Mapping[str, datetime | None],
    ) -> Iterator[dict[str, FeatureColumn]]:
        """Yield what `answer` returns, some features at a time."""
        begin = moment_of(asked.now, latest=asked.latest)
        for group in self._groups:
            moment = begin.after_push(pushed.get(group.source.field)) if group.is_event else begin
            yield self._columns(group, packed[group.trip], found[group.trip], moment)

    def columns(self, columns: Mapping[str, FeatureColumn], asked: KeyRows) -> FeatureColumns:
        """Return features in the order of asking."""
        ordered = columns if self._in_order else {name: columns[name] for name in self.names}
        return FeatureColumns(columns=ordered, count=asked.count, now=asked.now, latest=asked.latest)

    def _columns(
        self,
        group: _Group,
        packed: Sequence[bytes | None],
        found: Sequence[Found],
        moment: Moment,
    ) -> dict[str, FeatureColumn]:
        decoder = group.decoder
        assert decoder is not None
        data = [row[group.place] for row in found]
        try:
            return self._decoded(group, packed, data, moment)
        except (ValueError, IndexError, TypeError, ArithmeticError, BrokenRowError):
            decoder.check(data, self._places(group, packed))
            raise

    def _places(self, group: _Group, packed: Sequence[bytes | None]) -> list[RowPlace]:
        """Return whose the rows of a group are, for messages."""
        names = [*self._trips[group.trip].types]
        return [RowPlace(group.source.field, key, names) for key in packed if key is not None]

    def _decoded(
        self, group: _Group, packed: Sequence[bytes | None], data: Sequence[bytes | None], moment: Moment
    ) -> dict[str, FeatureColumn]:
        """Return the columns of some packed rows."""
        decoder, source = group.decoder, group.source
        assert decoder is not None
        usual = decoder.usual(data, moment) if len(data) == len(packed) else None
        if usual is not None:
            of, statuses, defaulted, event_us, computed_us = usual
            return {
                name: FeatureColumn(source, of[i], statuses[i], defaulted[i], event_us, computed_us)
                for name, i in group.columns
            }
        rows = decoder.rows(data, moment)
        if len(packed) == len(rows) == 1:
            return _one(group, rows[0])
        if len(rows) < len(packed):
            known, unknown = iter(rows), decoder.unknown(moment)
            rows = [unknown if key is None else next(known) for key in packed]
        return _columns(group, rows)

    def _features_by_entity(self) -> dict[tuple[str, ...], list[str]]:
        """Return what is read of each entity, by the columns of the caller's rows that hold its keys."""
        features: dict[tuple[str, ...], list[str]] = {}
        for group in self._groups:
            keys = tuple(self._trips[group.trip].types)
            if keys:
                features.setdefault(keys, []).extend(group.picked)
        return features

    def _place(self, group: _Group) -> tuple[int, int]:
        """Return in which trip the rows of a group come, and at which place."""
        source = group.source
        types = {group.join[key]: dtype for key, dtype in source.view.key_types.items()}
        for number, trip in enumerate(self._trips):
            same = list(trip.types.items()) == list(types.items())
            if same and (trip.project, trip.env) == (source.online.project, source.online.env):
                if source.field not in trip.fields:
                    trip.fields.append(source.field)
                return number, trip.fields.index(source.field)
        self._trips.append(
            _Trip(project=source.online.project, env=source.online.env, types=types, fields=[source.field])
        )
        return len(self._trips) - 1, 0


def _grouped(inputs: Sequence[FeatureInput], views: Mapping[str, ReadView]) -> list[_Group]:
    """Return the inputs in groups: those with one default for each feature, the first given, stay together.

    An input that gives a feature another default, or none, sees its own, as in a training set.
    """
    first: dict[tuple[str, str], dict[str, Default]] = {}
    for item in inputs:
        if item.default is not None:
            first.setdefault(_asked(item), {}).setdefault(item.feature, item.default)
    groups: dict[tuple[tuple[str, str], str], _Group] = {}
    for item in inputs:
        defaults = dict(first.get(_asked(item), {}))
        if item.default != defaults.get(item.feature):
            defaults.pop(item.feature, None)
            defaults |= {} if item.default is None else {item.feature: item.default}
        made = _Group(source=views[item.view], join=item.join, defaults=defaults)
        groups.setdefault((_asked(item), repr(sorted(defaults.items()))), made).picked[item.name] = item.feature
    return list(groups.values())


def _asked(item: FeatureInput) -> tuple[str, str]:
    return item.view, repr(sorted(item.join.items()))


def _one(group: _Group, row: EntityRow) -> dict[str, FeatureColumn]:
    """Return the features of a single row."""
    source, values, event_us, computed_us = group.source, row.values, [row.event_us], [row.computed_us]
    statuses, defaulted = row.statuses, row.defaulted
    return {
        name: FeatureColumn(source, [values[i]], [statuses[i]], [defaulted[i]], event_us, computed_us)
        for name, i in group.columns
    }


def _columns(group: _Group, rows: Sequence[EntityRow]) -> dict[str, FeatureColumn]:
    assert group.decoder is not None
    decoder, source = group.decoder, group.source
    event_us, computed_us = [row.event_us for row in rows], [row.computed_us for row in rows]
    values = [*map(list, zip(*[row.values for row in rows], strict=True))] or [[] for _ in decoder.names]
    usual = decoder.all_present
    if all(row.statuses is usual for row in rows):  # all present, and nothing defaulted then
        present, false = [usual[0]] * len(rows), [False] * len(rows)
        return {
            name: FeatureColumn(source, values[i], present, false, event_us, computed_us) for name, i in group.columns
        }
    statuses = [*map(list, zip(*[row.statuses for row in rows], strict=True))]
    defaulted = [*map(list, zip(*[row.defaulted for row in rows], strict=True))]
    return {
        name: FeatureColumn(source, values[i], statuses[i], defaulted[i], event_us, computed_us)
        for name, i in group.columns
    }
