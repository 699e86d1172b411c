"""What is asked of the server one statement after the other, for whoever sends them: a thread, or an event loop."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import psycopg

from featurectl.core.errors import StoreError
from featurectl.online.base import Ask, Found
from featurectl.online.postgres import tables
from featurectl.online.postgres.connect import Session
from featurectl.online.postgres.migrations.steps import HEAD, KNOWN, SCHEMA

T = TypeVar("T")
Statement = tuple[str, Sequence[object]]
StatementSteps = Generator[Statement, list[tuple[Any, ...]], T]
NOT_THERE: Final = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_TRIES: Final = 3
KEYS_A_TRIP: Final = 5_000
_FieldTables = tuple[str | None, ...]
_Place = tuple[str, str, tuple[str, ...]]


def taken(session: Session, steps: StatementSteps[T]) -> T:
    """Return what comes of some steps, taken one after the other."""
    try:
        query, values = next(steps)
        while True:
            try:
                rows = session.execute(query.encode(), values, binary=True).fetchall()
            except psycopg.Error as error:
                query, values = steps.throw(error)
            else:
                query, values = steps.send(rows)
    except StopIteration as end:
        found: T = end.value
        return found


class KnownTables:
    """Which tables of rows are known to be there. One that is not is looked for whenever it is asked about."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._there: set[str] = set()
        self._is_checked = False

    def forget(self) -> None:
        """Know nothing: a table is gone that was there."""
        self._there.clear()
        self._is_checked = False

    def find(self, names: set[str]) -> StatementSteps[set[str]]:
        """Return those of some tables that are there.

        Raises:
            StoreError: a newer featurectl made them.
        """
        unknown = sorted(names - self._there)
        if unknown:
            if not self._is_checked:
                yield from revision(self._shown)
                self._is_checked = True
            found = yield (tables.ARE_THERE, (unknown,))
            self._there.update(name for (name,) in found)
        return names & self._there


def revision(shown: str) -> StatementSteps[str | None]:
    """Return the step that the schema of the store has reached, None where there is none.

    Raises:
        StoreError: this version does not know it.
    """
    [(is_there,)] = yield (tables.REVISION_TABLE, ())
    found = (yield (tables.REVISION, ())) if is_there else []
    if not found:
        return None
    step = str(found[0][0])
    if step not in KNOWN:
        raise StoreError(
            f"the online store {shown} was made by a newer featurectl (schema {step}, this one knows {HEAD})",
            code="FC604",
            hint="install the version that made it",
        )
    return step


def portions(asks: Sequence[Ask]) -> Iterator[list[Ask]]:
    """Yield asks, of at most 5,000 keys each, together with others as far as they have no more."""
    part, size = list[Ask](), 0
    for ask in asks:
        if part and size + len(ask.keys) > KEYS_A_TRIP:
            yield part
            part, size = [], 0
        part.append(ask)
        size += len(ask.keys)
    if part:
        yield part


def short_asks(asks: Sequence[Ask]) -> Iterator[tuple[int, Ask]]:
    """Yield asks of at most 5,000 keys, each with the place of the one that it is a part of."""
    for place, ask in enumerate(asks):
        if 0 < len(ask.keys) <= KEYS_A_TRIP:
            yield place, ask
            continue
        for start in range(0, len(ask.keys), KEYS_A_TRIP):
            keys = ask.keys[start : start + KEYS_A_TRIP]
            yield place, Ask(project=ask.project, env=ask.env, fields=ask.fields, keys=keys)


def put_together(
    asks: Sequence[Ask], parts: Sequence[tuple[int, Ask]], found: Sequence[list[Found]]
) -> list[list[Found]]:
    """Return the answers of asks from those of their parts."""
    answers: list[list[Found]] = [[] for _ in asks]
    for (place, _), rows in zip(parts, found, strict=True):
        answers[place] += rows
    return answers


def found_rows(known: KnownTables, asks: Sequence[Ask]) -> StatementSteps[list[list[Found]]]:
    """Return for every ask what lies under each of its keys, by one statement."""
    for _ in range(_TRIES):
        try:
            return (yield from _found_rows(known, asks))
        except NOT_THERE:
            known.forget()
    return [[(None,) * len(ask.fields)] * len(ask.keys) for ask in asks]  # removed as often as it was looked for


def _found_rows(known: KnownTables, asks: Sequence[Ask]) -> StatementSteps[list[list[Found]]]:
    """Return the rows; keys that are asked for under the same fields travel together."""
    places: dict[_Place, list[bytes]] = {}
    begins: list[tuple[_Place, int]] = []
    for ask in asks:
        place = (ask.project, ask.env, ask.fields)
        keys = places.setdefault(place, [])
        begins.append((place, len(keys)))
        keys.extend(ask.keys)
    names = {place: [tables.rows_table(place[0], place[1], field) for field in place[2]] for place in places}
    there = yield from known.find({name for of in names.values() for name in of})
    wanted = {place: tuple(n if n in there else None for n in of) for place, of in names.items() if places[place]}
    read = {place: of for place, of in wanted.items() if any(of)}
    rows: list[tuple[Any, ...]] = []
    if read:
        rows = yield (_statement(tuple(read.values())), tuple(places[place] for place in read))
    by_place: dict[_Place, list[Found]] = {place: [(None,) * len(place[2])] * len(places[place]) for place in places}
    begin = 0
    for place in read:
        end = begin + len(places[place])
        lines: list[Found] = [*rows[begin:end]]
        by_place[place] = lines if len(read) == 1 else [line[2 : 2 + len(place[2])] for line in lines]
        begin = end
    return [by_place[place][at : at + len(ask.keys)] for ask, (place, at) in zip(asks, begins, strict=True)]


@lru_cache(maxsize=512)
def _statement(groups: tuple[_FieldTables, ...]) -> str:
    """Return the statement that gives a line for each key of each group, with a column for each of its tables.

    Columns are looked up one by one, by their keys: no plan reads a whole table.
    """
    if len(groups) == 1:
        return f"select {_columns(groups[0], len(groups[0]))} {_FROM} order by place"
    width = max(map(len, groups))
    parts = (f"select {number}, place, {_columns(of, width)} {_FROM}" for number, of in enumerate(groups))
    return f"{' union all '.join(parts)} order by 1, 2"


_FROM: Final = "from unnest(%b::bytea[]) with ordinality as keys(key, place)"


def _columns(of: _FieldTables, width: int) -> str:
    found = [f"(select row from {SCHEMA}.{name} where entity = key)" if name else "null::bytea" for name in of]
    return ", ".join(found + ["null::bytea"] * (width - len(of)))


def found_shared(project: str, env: str, names: Sequence[str]) -> StatementSteps[list[bytes | None]]:
    """Return some of what all entities share, by name; nothing of a name that is none."""
    parsed = [_parsed(name) for name in names]
    kinds, views, versions, ids = map(list, zip(*parsed, strict=True))
    try:
        rows = yield (tables.SHARED, (project, env, project, env, kinds, views, versions, ids))
    except NOT_THERE:
        return [None] * len(names)
    return [data for (data,) in rows]


def _parsed(name: str) -> tuple[str, str, int, int]:
    """Return the kind, the view, the version and the schema's id that a name of something shared says."""
    kind, _, rest = name.partition("/")
    field, _, schema_id = rest.partition("/")
    view, _, version = field.rpartition("@")
    if kind not in ("push", "schema") or not version.isdigit():
        return (kind, "", 0, 0)
    return (kind, view, int(version), int(schema_id) if schema_id.isdigit() else -1)
