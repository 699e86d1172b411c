"""Values that were right by what their push knew: rows that came into the table after it are late, whatever they say.

A row names the push that it was served from, and the history of the table says which version there was by then. What
that version gives has nothing free that could be fitted, so it goes before all other causes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.errors import DataError, StoreError, TryAgainError
from featurectl.engines.base import Engine
from featurectl.monitor.verify.alternatives import Hypothesis, TablePast, at_own_push
from featurectl.monitor.verify.served_rows import ServedRows, TableQuestion, computed
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import has_other_definition, lacking_inputs
from featurectl.operations.views import BoundView

_TABLES: Final = 100  # that are asked for the rows of a batch; each is a pass over a version of a table
_GONE: Final = ("FC520", "FC603")  # files that were removed, or can't be read
_ROW: Final = "\x00row"
_VERSION: Final = "\x00version"
History = Sequence[tuple[int, Coverage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesAtPush:
    """Which of the values that differ are as the table was when their push read it, and what there is to tell of that.

    `rows` says of which rows all values are. `gone` are versions that some rows' pushes read, and nobody can any more.
    """

    values: pl.DataFrame
    rows: pl.Series
    detail: str = ""
    gone: tuple[int, ...] = ()

    def hypothesis(self) -> tuple[Hypothesis, pl.Series]:
        """Return this as an explanation of rows among others."""
        return Hypothesis(cause="late row", detail=self.detail, asking=TableQuestion()), self.rows


def values_at_push(  # noqa: PLR0913  # what every question about causes is asked with
    engine: Engine, served: ServedRows, wrong: pl.DataFrame, known: TablePast, tolerance: float, *, aside: int = 0
) -> ValuesAtPush:
    """Return which values the table gives as it was at their push; `aside`: so many versions later, or before.

    A run that was under way at a push has an instant before it, and came to its commit behind it: one version aside.
    Rows of a state view that the table of now gives at the instant of the push are none of them: nothing came late.
    """
    same = wrong.clear(wrong.height).fill_null(value=False)
    versions, gone = list[int](), list[int]()
    for bound, _, places in tables_then(served, known, aside):
        try:
            found = _same(engine, served.some(places), bound, tolerance)
        except (DataError, StoreError, TryAgainError) as error:
            is_gone = isinstance(error, TryAgainError) or error.code in _GONE
            gone += [bound.table_version] if is_gone else []
            continue
        if any((found[name] & wrong[name][places]).any() for name in found.columns):
            same = same.with_columns(same[name].scatter(places, found[name]) for name in found.columns)
            versions.append(bound.table_version)
    if versions and served.bound.view.kind != "event":
        clear = ~_all(_same(engine, served, served.bound, tolerance))
        same = same.select(pl.col(name) & clear for name in same.columns)
    values = same.select(pl.col(name) & wrong[name] for name in same.columns)
    detail = f"in the table after its version {versions[0]}" if len(versions) == 1 else "in the table after the push"
    return ValuesAtPush(values=values, rows=_all(same), detail=detail, gone=tuple(sorted(gone)))


def _all(values: pl.DataFrame) -> pl.Series:
    return values.select(pl.all_horizontal(pl.all())).to_series()


def _same(engine: Engine, served: ServedRows, bound: BoundView, tolerance: float) -> pl.DataFrame:
    """Return which values a table gives at the instants of the rows' pushes, of the features that it has.

    Raises:
        DataError, StoreError: it can't be asked.
    """
    there = served.of([name for name, feature in served.names.items() if not bound.lacks(feature)])
    if not there.names:
        return pl.DataFrame()
    found = computed(engine, there, at_own_push(there, bound))
    differ = there.wrong(found, tolerance)
    return differ.select(~pl.all())


def not_there_yet(
    engine: Engine, served: ServedRows, wrong: pl.DataFrame, known: TablePast, tolerance: float
) -> pl.DataFrame:
    """Return which values are those of a feature without any, from a push before the table had what it needs.

    The table of a push is that of then or, where a run of the same instant came to its commit later, the one before.
    """
    lacking = wrong.clear(wrong.height).fill_null(value=False)
    for aside in (0, -1):
        for number, coverage, places in _by_version(served.pushed, known, aside):
            bound = _at(served.bound, number, coverage)
            names = [name for name, feature in served.names.items() if bound.lacking and bound.lacks(feature)]
            lacking = lacking.with_columns(lacking[name].scatter(places, values=True) for name in names)
    names = [name for name in wrong.columns if lacking[name].any()]
    if not names:
        return lacking
    some = served.of(names)
    other = some.wrong(computed(engine, some, TableQuestion(blank=True)), tolerance)
    return lacking.with_columns(lacking[name] & wrong[name] & ~other[name] for name in names)


def tables_then(
    served: ServedRows, known: TablePast, aside: int = 0
) -> Iterator[tuple[BoundView, Coverage, pl.Series]]:
    """Yield the table as pushes had it, with the places of their rows, the most first; that of now is left out."""
    for number, coverage, places in _by_version(served.pushed, known, aside):
        if number != served.bound.table_version and not has_other_definition(coverage, served.bound.view):
            yield _at(served.bound, number, coverage), coverage, places


def others_then(known: TablePast, coverage: Coverage) -> TablePast:
    """Return what was known around a view version when its table had read `coverage`: what the others' had by then."""
    others = list[BoundView]()
    for other in known.others:
        history = other.stored.history()
        place = None if coverage.now is None else _place_at(coverage.now, history)
        if place is not None and not has_other_definition(history[place][1], other.view):
            others.append(_at(other, *history[place]))
    return replace(known, others=others)


def changed_since(engine: Engine, served: ServedRows, bound: BoundView, tolerance: float) -> pl.Series:
    """Return for which rows the table of now gives other values than that of a push; none where that can't be asked."""
    try:
        then = computed(engine, served, TableQuestion(bound=bound))
    except (DataError, StoreError, TryAgainError):  # its files are gone
        return pl.repeat(value=False, n=served.height, eager=True)
    differ = replace(served, values=computed(engine, served)).wrong(then, tolerance)
    return differ.select(pl.any_horizontal(pl.all())).to_series()


def _at(bound: BoundView, number: int, coverage: Coverage) -> BoundView:
    lacking = lacking_inputs(coverage, bound.view)
    return replace(bound, table_version=number, pinned=True, lacking=lacking)


def _by_version(pushed: pl.Series, known: TablePast, aside: int) -> Iterator[tuple[int, Coverage, pl.Series]]:
    """Yield versions of the table with the places of the rows whose pushes they were there for, the most rows first."""
    pushes = pushed.unique().drop_nulls().to_list()
    numbered = {push: place for push in pushes if (place := _place_at(push, known.history, aside)) is not None}
    if not numbered:
        return
    places = pushed.replace_strict(numbered, default=None, return_dtype=pl.Int64)
    frame = pl.DataFrame([places.alias(_VERSION)]).with_row_index(_ROW).drop_nulls()
    groups = sorted(frame.partition_by(_VERSION), key=lambda group: -group.height)
    for group in groups[:_TABLES]:
        number, coverage = known.history[group[_VERSION][0]]
        yield number, coverage, group[_ROW].cast(pl.Int64)


def _place_at(instant: datetime, history: History, aside: int = 0) -> int | None:
    """Return the place in a history of the newest version whose run was as of no later than an instant."""
    before = (place for place in reversed(range(len(history))) if _is_before(history[place][1], instant))
    place = next(before, None)
    return None if place is None or not 0 <= place + aside < len(history) else place + aside


def _is_before(coverage: Coverage, instant: datetime) -> bool:
    return coverage.now is not None and coverage.now <= instant
