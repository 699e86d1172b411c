"""Features of several view versions for many rows: what to ask of the store, and what its answers mean.

Nothing here reads: `FeatureReader.asks` says what has to be fetched, `answer` makes columns of what came back, so that
callers who wait and callers who do not share all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from featurectl.core.errors import DataError
from featurectl.core.units import from_us
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.renaming import named_features
from featurectl.online.base import Ask, Found
from featurectl.online.client.entity_keys import missing_key_hint, pack_columns
from featurectl.online.client.erased_reads import SuspectView, suspect_view
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, KeyRows, are_present
from featurectl.online.client.feature_groups import (
    NOT_DEFAULTED,
    PRESENT,
    FeatureGroup,
    columns_at_once,
    group_columns,
    grouped_inputs,
    make_column,
    single_columns,
)
from featurectl.online.client.read_view import ReadView
from featurectl.online.corrupt_rows import BrokenRowError, RowPlace
from featurectl.online.decode.columns import ViewColumns
from featurectl.online.decode.moment import Moment, moment_of
from featurectl.online.decode.row import row_schema_id

if TYPE_CHECKING:
    from featurectl.online.client.stream_inputs import StreamInputs


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


def _limits(group: FeatureGroup) -> Iterator[AgeLimit]:
    """Give the limits of what a group reads: each feature's own SLA, else its view's."""
    view = group.source.view
    own = {item.name: item.freshness for item in named_features(view)}
    for name, feature in group.picked.items():
        sla = own[feature] or view.freshness
        if sla is not None and sla.error_after_us is not None:
            yield AgeLimit(name=name, view=group.source, error_after_us=sla.error_after_us)


class RowsRead(NamedTuple):
    """What was read of rows: the packed keys of each row and what was found under them, by trip.

    `pushed` holds the last push of each event view, by `view@version`.
    """

    packed: Sequence[Sequence[bytes | None]]
    found: Sequence[Sequence[Found]]
    pushed: Mapping[str, datetime | None]


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
        groups = grouped_inputs(inputs, views)
        self._groups = [group for group in groups if not group.source.view.source.is_stream]
        self.streams: StreamInputs | None = None
        self._trips: list[_Trip] = []
        self.erased: list[SuspectView] = []  # views of which some keys were erased
        for group in groups:
            if group.source.view.source.is_stream:
                self.streams = self.streams or _stream_inputs()
                self.streams.add(group)
                continue
            group.decoder = ViewColumns(group.source.view, group.source.online, group.defaults)
            group.trip, group.place = self._place(group)
            if (erased := suspect_view(group.source, group.trip, group.place)) is not None:
                self.erased.append(erased)
            places = {name: i for i, name in enumerate(group.decoder.names)}
            group.columns = [(name, places[feature]) for name, feature in group.picked.items()]
        types: dict[str, str] = {}
        for trip in self._trips:
            types |= trip.types
        if self.streams is not None:
            types |= self.streams.key_types
        self.key_types: Mapping[str, str] = types  # what every row has to bring
        self.views = list({group.source.field: group.source for group in groups}.values())  # each once
        self.row_views = [view for view in self.views if not view.view.source.is_stream]
        marks = [] if self.streams is None else [of.mark for some in self.streams.erased.values() for of in some]
        self.recorded = [*self.row_views, *marks]  # of which the store has a record: pushes, and marks of lists
        self.versions = {view.online.view: view.online.version for view in self.views}
        self.limits = [limit for group in groups for limit in _limits(group)]
        self.entities = _features_by_entity(groups)
        in_turn = [*(group for group in groups if group.source.view.source.is_stream), *self._groups]
        self._in_order = [name for group in in_turn for name in group.picked] == self.names

    def view(self, field: str) -> ReadView:
        """Return the view version of a field, `view@version`, of those that are read."""
        return next(view for view in self.views if view.field == field)

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
        read: RowsRead,
        asked: KeyRows,
        streamed: Mapping[str, FeatureColumn],
    ) -> FeatureColumns:
        """Return the features of every row that was asked about; those of streams are there already."""
        if asked.count == 1 and (single := self.single(read, asked, streamed)) is not None:
            return single
        columns = {**streamed}
        for some in self.answers(read, asked):
            columns |= some
        return self.columns(columns, asked)

    def single(self, read: RowsRead, asked: KeyRows, streamed: Mapping[str, FeatureColumn]) -> FeatureColumns | None:
        """Return what `answer` returns of one row; None where a view has none, or one that is no usual one."""
        if asked.instants is not None:
            return None
        columns, (_, found, pushed) = {**streamed}, read
        begin, is_present = moment_of(asked.now, latest=asked.latest), True
        if streamed:
            is_present = all(column.statuses == PRESENT for column in streamed.values())
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
                columns |= single_columns(group, row)
                continue
            values, event_us, computed_us = row.values, [row.event_us], [row.computed_us]
            for name, i in group.columns:
                columns[name] = make_column((source, [values[i]], PRESENT, NOT_DEFAULTED, event_us, computed_us))
        ordered = columns if self._in_order else {name: columns[name] for name in self.names}
        return FeatureColumns(
            columns=ordered,
            count=1,
            now=asked.now,
            latest=asked.latest,
            is_present=is_present,
        )

    def answers(
        self,
        read: RowsRead,
        asked: KeyRows,
    ) -> Iterator[dict[str, FeatureColumn]]:
        """Yield what `answer` returns of views that are no streams, some features at a time."""
        packed, found, pushed = read
        begins = [moment_of(at, latest=asked.latest) for at in _instants(asked)]
        for group in self._groups:
            push = pushed.get(group.source.field) if group.is_event else None
            moments = [begin.after_push(push) for begin in begins] if group.is_event else begins
            yield self._columns(group, packed[group.trip], found[group.trip], moments)

    def columns(self, columns: Mapping[str, FeatureColumn], asked: KeyRows) -> FeatureColumns:
        """Return features in the order of asking."""
        ordered = columns if self._in_order else {name: columns[name] for name in self.names}
        return FeatureColumns(
            columns=ordered,
            count=asked.count,
            now=asked.now,
            latest=asked.latest,
            is_present=are_present(ordered.values()),
            instants=asked.instants,
        )

    def _columns(
        self,
        group: FeatureGroup,
        packed: Sequence[bytes | None],
        found: Sequence[Found],
        moments: Sequence[Moment],
    ) -> dict[str, FeatureColumn]:
        """Return the columns of a group: of all rows at one moment, or of each at its own."""
        decoder = group.decoder
        assert decoder is not None
        data = [row[group.place] for row in found]
        try:
            if len(moments) > 1:
                return _columns_at(group, packed, data, moments)
            return self._decoded(group, packed, data, moments[0])
        except (ValueError, IndexError, TypeError, ArithmeticError, BrokenRowError):
            decoder.check(data, self._places(group, packed))
            raise

    def _places(self, group: FeatureGroup, packed: Sequence[bytes | None]) -> list[RowPlace]:
        """Return whose the rows of a group are, for messages."""
        names = [*self._trips[group.trip].types]
        return [RowPlace(group.source.field, key, names) for key in packed if key is not None]

    def _decoded(
        self, group: FeatureGroup, packed: Sequence[bytes | None], data: Sequence[bytes | None], moment: Moment
    ) -> dict[str, FeatureColumn]:
        """Return the columns of some packed rows."""
        decoder = group.decoder
        assert decoder is not None
        usual = decoder.usual(data, moment) if len(data) == len(packed) else None
        if usual is not None:
            return columns_at_once(group, usual)
        rows = decoder.rows(data, moment)
        if len(packed) == len(rows) == 1:
            return single_columns(group, rows[0])
        if len(rows) < len(packed):
            known, unknown = iter(rows), decoder.unknown(moment)
            rows = [unknown if key is None else next(known) for key in packed]
        return group_columns(group, rows, decoder.all_present)

    def _place(self, group: FeatureGroup) -> tuple[int, int]:
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


def _instants(asked: KeyRows) -> Sequence[datetime]:
    """Return the moment of reading, or those of the rows where each has its own."""
    return [asked.now] if asked.instants is None else [from_us(at.time_us) for at in asked.instants]


def _columns_at(
    group: FeatureGroup, packed: Sequence[bytes | None], data: Sequence[bytes | None], moments: Sequence[Moment]
) -> dict[str, FeatureColumn]:
    """Return the columns of packed rows at a moment each."""
    decoder, known = group.decoder, iter(data)
    assert decoder is not None
    rows = [
        decoder.unknown(moment) if key is None else decoder.rows([next(known)], moment)[0]
        for key, moment in zip(packed, moments, strict=True)
    ]
    return group_columns(group, rows, decoder.all_present)


def _stream_inputs() -> StreamInputs:
    from featurectl.online.client.stream_inputs import StreamInputs  # needs numpy

    return StreamInputs()


def _features_by_entity(groups: Sequence[FeatureGroup]) -> dict[tuple[str, ...], list[str]]:
    """Return what is read of each entity, by the columns of the caller's rows that hold its keys."""
    features: dict[tuple[str, ...], list[str]] = {}
    for group in groups:
        keys = tuple(group.join[key] for key in group.source.view.key_types)
        if keys:
            features.setdefault(keys, []).extend(group.picked)
    return features
