"""Features of views of streams for many rows: which lists to ask for, and what these say as columns.

Nothing here reads, as in `feature_reader.py`, of which this is the part for streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple, cast

from featurectl.online.client.entity_keys import pack_columns
from featurectl.online.client.erased_reads import SuspectLists, suspect_lists
from featurectl.online.client.feature_columns import FeatureColumn, KeyRows
from featurectl.online.client.feature_groups import (
    FeatureGroup,
    group_columns,
    single_columns,
)
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.corrupt_rows import RowPlace
from featurectl.online.decode.columns import EntityRow
from featurectl.online.erased_keys import ErasedUntil
from featurectl.online.stream_state.base import (
    NO_LIST,
    EntityList,
    Generation,
    ListsAnswer,
    ListsAsk,
    StreamSource,
)
from featurectl.online.stream_state.known_instants import RowInstant, UnknownInstantError, unknown_instant
from featurectl.online.stream_state.stream_columns import ReadLists, StreamColumns

_FEW: Final = 4  # rows that ask about one entity: of more its list is read once for all
ListsFound = Mapping[StreamSource, Sequence[ListsAnswer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _StreamGroup:
    """A group whose view is of a stream, and where its lists come in the answers of that stream."""

    group: FeatureGroup
    source: StreamSource
    types: Mapping[str, str]  # of the keys, by columns of the request
    columns: StreamColumns
    place: int


class StreamQuestion(NamedTuple):
    """The lists that are asked for, by stream, and the packed keys of every row by the place of an ask."""

    asks: Mapping[StreamSource, Sequence[ListsAsk]]
    packed: Mapping[StreamSource, Sequence[Sequence[bytes | None]]]


class UnknownLayout(NamedTuple):
    """A generation whose layout has to be learned before its lists are read."""

    source: StreamSource
    generation: Generation
    columns: StreamColumns


@dataclass(slots=True, kw_only=True)
class StreamInputs:
    """Reads the features whose views are of streams. Each entity's list is asked for once, whatever rows have it."""

    _groups: list[_StreamGroup] = field(default_factory=list)
    _wanted: dict[StreamSource, list[tuple[str, Mapping[str, str]]]] = field(default_factory=dict)
    erased: dict[StreamSource, list[SuspectLists]] = field(default_factory=dict)  # views of which keys were erased

    def add(self, group: FeatureGroup) -> None:
        """Add a group of features."""
        view = group.source
        types = {group.join[key]: dtype for key, dtype in view.view.key_types.items()}
        wanted, ask = self._wanted.setdefault(view.stream, []), (view.field, types)
        same = [place for place, (of, keys) in enumerate(wanted) if of == view.field and [*keys] == [*types]]
        if not same:
            wanted.append(ask)
        columns = StreamColumns(view.view, view.online, group.defaults)
        places = {name: i for i, name in enumerate(columns.names)}
        group.columns = [(name, places[feature]) for name, feature in group.picked.items()]
        place = same[0] if same else len(wanted) - 1
        if not same and (erased := suspect_lists(view, place)) is not None:
            self.erased.setdefault(view.stream, []).append(erased)
        made = _StreamGroup(group=group, source=view.stream, types=types, columns=columns, place=place)
        self._groups.append(made)

    @property
    def key_types(self) -> Mapping[str, str]:
        """The columns of keys with their types."""
        return {name: dtype for of in self._groups for name, dtype in of.types.items()}

    def question(self, keys: Mapping[str, Sequence[object]], count: int) -> StreamQuestion:
        """Return what to ask for rows with these keys by column, of which each is there.

        Raises:
            DataError: FC504, a value does not fit.
        """
        packed = {
            source: [pack_columns(types, keys, count) for _, types in wanted] for source, wanted in self._wanted.items()
        }
        asks = {
            source: [
                ListsAsk(view=view, entities=_distinct(column))
                for (view, _), column in zip(wanted, packed[source], strict=True)
            ]
            for source, wanted in self._wanted.items()
        }
        return StreamQuestion(asks, packed)

    def without_erased(self, question: StreamQuestion, found: ListsFound, pushes: Pushes) -> ListsFound:
        """Return lists without those of erased keys, of views of which the store says not that it is clean of them."""
        for source, suspects in self.erased.items():
            for view in suspects:
                if (until := view.suspects(pushes)) is not None:
                    place = view.place
                    found = {**found, source: _hidden(place, until, question.asks[source][place], found[source])}
        return found

    def unknown_layouts(self, found: ListsFound) -> list[UnknownLayout]:
        """Return the layouts that have to be learned before these lists can be read.

        Raises:
            DataError: FC550, a view has no lists that can be read.
        """
        unknown = []
        for of in self._groups:
            generation = _generation(of, found)
            if not of.columns.knows(generation):
                named = Generation(view=of.group.source.field, id=generation)
                unknown.append(UnknownLayout(of.source, named, of.columns))
        return unknown

    def answers(
        self, question: StreamQuestion, found: ListsFound, asked: KeyRows
    ) -> Iterator[dict[str, FeatureColumn]]:
        """Yield the columns of features, those of one view at a time; all layouts are known.

        Of many entities it yields nothing now and then, so that who answers others meanwhile can give way. Rows with
        instants of their own are those of `known_rows`.

        Raises:
            StoreError: a list was lost, or is none.
            UnknownInstantError: lists do not know any more what was at the instants of some rows, all of which it has.
            DataError: FC550, as above, or lists were made without a feature; FC507, a sum is outside of its type.
        """
        if asked.instants is not None:
            yield from self._answers_at(question, found, asked.instants)
            return
        at = None if asked.latest is not None else asked.now
        for number, of in enumerate(self._groups):
            if number:
                yield {}
            entities = question.asks[of.source][of.place].entities
            generation, answer = _generation(of, found), found[of.source][of.place]
            of.columns.check(generation, of.group.picked.values())
            lists, read = answer.lists or (), ReadLists(generation, answer.asof, at)
            packed = question.packed[of.source][of.place]
            step = of.columns.at_once(read)
            if len(packed) == len(entities) <= step and None not in packed:
                yield _columns_of(of, of.columns.rows(read, lists, partial(_place, of, entities)))
                continue
            known: dict[bytes | None, EntityRow] = {}
            for first in range(0, len(entities), step):
                keys = entities[first : first + step]
                rows = of.columns.rows(read, lists[first : first + step], partial(_place, of, keys))
                known |= zip(keys, rows, strict=True)
                if len(keys) == step:
                    yield {}
            if None in packed:
                known[None] = of.columns.unknown(read)
            yield _columns_of(of, [known[key] for key in packed])

    def known_rows(self, asked: KeyRows, found: ListsFound) -> KeyRows:
        """Return rows with their own instants, where they have them, as far as all that was read is known by then."""
        if asked.instants is None:
            return asked
        asof_us = min(asof_us for _, asof_us in self.asofs(found))
        return replace(asked, instants=[at.before(asof_us) for at in asked.instants])

    def _answers_at(
        self, question: StreamQuestion, found: ListsFound, instants: Sequence[RowInstant]
    ) -> Iterator[dict[str, FeatureColumn]]:
        """Yield what `answers` does of rows with instants of their own; each list is read once."""
        unknown: dict[int, UnknownInstantError] = {}
        for of in self._groups:
            entities = question.asks[of.source][of.place].entities
            generation, answer = _generation(of, found), found[of.source][of.place]
            of.columns.check(generation, of.group.picked.values())
            read, packed = ReadLists(generation, answer.asof, None), question.packed[of.source][of.place]
            askers: dict[bytes | None, list[int]] = {}
            for row, key in enumerate(packed):
                askers.setdefault(key, []).append(row)
            rows = {row: of.columns.unknown_at(read, instants[row]) for row in askers.get(None, ())}
            step = of.columns.at_once(read)
            for first in range(0, len(entities), step):
                part = entities[first : first + step], (answer.lists or ())[first : first + step]
                for row, outcome in _rows_or_errors(of, read, part, askers, instants):
                    if isinstance(outcome, UnknownInstantError):
                        unknown.setdefault(row, outcome)
                    else:
                        rows[row] = outcome
                yield {}
            if not unknown:
                yield _columns_of(of, [rows[row] for row in range(len(packed))])
        if unknown:
            raise UnknownInstantError.of_rows(unknown)

    def asofs(self, found: ListsFound) -> Iterator[tuple[ReadView, int]]:
        """Give the instant as of which each view was read, in microseconds."""
        for of in self._groups:
            yield of.group.source, found[of.source][of.place].asof


def _distinct(packed: Sequence[bytes | None]) -> list[bytes]:
    """Return the keys that are there, each once, in the order in which they come."""
    keys = dict.fromkeys(packed)
    keys.pop(None, None)
    return cast("list[bytes]", [*keys])


def _hidden(place: int, until: ErasedUntil, ask: ListsAsk, answers: Sequence[ListsAnswer]) -> Sequence[ListsAnswer]:
    """Return answers in which the lists of erased keys of the view at a place are empty."""
    answer = answers[place]
    if answer.lists is None:
        return answers
    pairs = zip(ask.entities, answer.lists, strict=True)
    lists = [NO_LIST if one is not None and until(key) else one for key, one in pairs]
    return [answer._replace(lists=lists) if each is answer else each for each in answers]


def _rows_or_errors(
    of: _StreamGroup,
    read: ReadLists,
    part: tuple[Sequence[bytes], Sequence[EntityList | None]],
    askers: Mapping[bytes | None, Sequence[int]],
    instants: Sequence[RowInstant],
) -> Iterator[tuple[int, EntityRow | UnknownInstantError]]:
    """Give what rows have of some entities; those of which few rows ask are read together, once for each row."""
    keys, lists = part
    few = [(row, one) for key, one in zip(*part, strict=True) if len(askers[key]) <= _FEW for row in askers[key]]
    joined = of.columns.quick_rows_at(read, [one for _, one in few], [instants[row] for row, _ in few])
    known = {row: quick for (row, _), quick in zip(few, joined, strict=True) if quick is not None}
    yield from known.items()
    for number, (key, one) in enumerate(zip(keys, lists, strict=True)):
        asking = [row for row in askers[key] if row not in known]
        if not asking:
            continue
        place = partial(_place, of, keys, number)
        found = of.columns.rows_at(read, one, [instants[row] for row in asking], place)
        for row, each in zip(asking, found, strict=True):
            yield row, each or unknown_instant(place(), instants[row])


def _columns_of(of: _StreamGroup, rows: Sequence[EntityRow]) -> dict[str, FeatureColumn]:
    """Return the columns of a group's features, of rows in their order."""
    if len(rows) == 1:
        return single_columns(of.group, rows[0])
    return group_columns(of.group, rows, of.columns.all_present)


def _place(of: _StreamGroup, keys: Sequence[bytes], row: int) -> RowPlace:
    """Return whose the list at a place is."""
    return RowPlace(of.group.source.field, keys[row], [*of.types])


def _generation(of: _StreamGroup, found: ListsFound) -> str:
    """Return which lists were read of a view.

    Raises:
        DataError: FC550, there are none, or nothing is known to be in them.
    """
    answer = found[of.source][of.place]
    if answer.lists is None or answer.generation is None or not answer.asof:
        raise of.group.source.not_online()
    return answer.generation
