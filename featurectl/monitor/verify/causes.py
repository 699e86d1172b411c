"""Why values differ: each hypothesis is computed for the rows that differ, and the one that explains most goes first.

What the table gave when a row's push read it is no hypothesis but a fact: rows that are as that goes before all others.

A hypothesis explains a row when it gives every value of the view that was served in it, those that are right included:
a value that is right by chance under one hypothesis is rarely so with all values beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import polars as pl

from featurectl.engines.base import Engine
from featurectl.monitor.verify.alternatives import Hypothesis, TablePast, explains, hypotheses
from featurectl.monitor.verify.equal import differing
from featurectl.monitor.verify.report import Cause
from featurectl.monitor.verify.served_rows import ServedRows, TableQuestion, computed
from featurectl.monitor.verify.shift import find_shift, shifted, spell_shift
from featurectl.monitor.verify.values_at_push import (
    changed_since,
    not_there_yet,
    others_then,
    tables_then,
    values_at_push,
)

_CORRUPTED: Final[Cause] = "corrupted value"
_NOT_THERE_YET: Final = "pushed before the feature was added"
_AGAIN: Final = 5  # tables that rows of a batch are explained by once more


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The cause of each value that differs, null for one that does not; and what more there is to tell of a cause.

    `gone` are versions of the table that some rows were served from, and that can't be asked any more.
    """

    causes: pl.DataFrame
    details: dict[str, str]
    gone: tuple[int, ...] = ()


def explain(engine: Engine, served: ServedRows, wrong: pl.DataFrame, known: TablePast, tolerance: float) -> Explained:
    """Return the causes of the values that differ; `served` are rows in each of which at least one does."""
    if served.stored:  # it is compared with the table as the push had it
        return _by_vote(engine, served, wrong, known, tolerance)
    late: Cause = "late row"
    stale: Cause = "stale push"
    then = values_at_push(engine, served, wrong, known, tolerance)
    early = not_there_yet(engine, served, wrong, known, tolerance)
    left = wrong.select(pl.col(name) & ~then.values[name] & ~early[name] for name in wrong.columns)
    causes = then.values.select(
        pl.when(early[name]).then(pl.lit(stale)).when(pl.col(name)).then(pl.lit(late)).alias(name)
        for name in wrong.columns
    )
    details: dict[str, str] = {late: then.detail} if _any(then.values) else {}
    details |= {stale: _NOT_THERE_YET} if _any(early) else {}
    others = left.select(pl.any_horizontal(pl.all())).to_series()
    if not others.any():
        return Explained(causes=causes, details=details, gone=then.gone)
    voted = _also_late(engine, served.some(others), left.filter(others), known, tolerance)
    merged = causes.filter(others).select(pl.coalesce(name, voted.causes[name]).alias(name) for name in wrong.columns)
    places = others.arg_true()
    causes = causes.with_columns(causes[name].scatter(places, merged[name]) for name in wrong.columns)
    return Explained(causes=causes, details=voted.details | details, gone=then.gone)


def _any(values: pl.DataFrame) -> bool:
    return any(column.any() for column in values)


def _also_late(
    engine: Engine, served: ServedRows, wrong: pl.DataFrame, known: TablePast, tolerance: float
) -> Explained:
    """Return the causes of values; rows that nothing explains may have one, and late rows beside it.

    Those that the table of their push gives others than that of now are looked at once more, with that one.
    """
    voted = _by_vote(engine, served, wrong, known, tolerance)
    bare = voted.causes.select(pl.any_horizontal(pl.all() == _CORRUPTED).fill_null(value=False)).to_series()
    places = bare.arg_true()
    causes, details = voted.causes, voted.details
    for bound, coverage, chosen in islice(tables_then(served.some(places), known), _AGAIN):
        there = places[chosen]
        there = there.filter(changed_since(engine, served.some(there), bound, tolerance))
        if there.is_empty():
            continue
        some = replace(served.some(there), bound=bound)
        again = _by_vote(engine, some, wrong[there], others_then(known, coverage), tolerance, aside=False)
        details = again.details | details
        causes = causes.with_columns(causes[name].scatter(there, again.causes[name]) for name in causes.columns)
    return Explained(causes=causes, details=details)


def _by_vote(  # noqa: PLR0913  # what every question of this module is asked with
    engine: Engine, served: ServedRows, wrong: pl.DataFrame, known: TablePast, tolerance: float, *, aside: bool = True
) -> Explained:
    """Return the causes that explain most; `aside`: versions one aside of those of the pushes are asked, too."""
    tried = [(h, explains(engine, served, wrong, h, tolerance)) for h in hypotheses(served, known)]
    if aside and not served.stored:
        asides = (values_at_push(engine, served, wrong, known, tolerance, aside=by) for by in (-1, 1))
        tried.extend(then.hypothesis() for then in asides)
    shift_us = find_shift(engine, served, tolerance)
    if shift_us is not None:
        hypothesis = Hypothesis(cause="shifted clock", detail=spell_shift(shift_us), asking=shifted(served, shift_us))
        tried.append((hypothesis, explains(engine, served, wrong, hypothesis, tolerance)))
    row_causes, details = _choose(tried, served.height)
    causes = wrong.select(
        pl.when(pl.col(name)).then(pl.coalesce(row_causes, pl.lit(None, pl.String))).alias(name)
        for name in wrong.columns
    )
    return Explained(causes=_left(engine, served, wrong, causes), details=details)


def _choose(tried: list[tuple[Hypothesis, pl.Series | None]], rows: int) -> tuple[pl.Series, dict[str, str]]:
    """Return the cause of each row by the hypothesis that explains most of what is left, again and again."""
    left = pl.repeat(value=True, n=rows, eager=True)
    causes: pl.Series = pl.repeat(None, rows, dtype=pl.String, eager=True)
    details: dict[str, str] = {}
    while True:
        counts = [0 if right is None else (right & left).sum() for _, right in tried]
        most = max(counts, default=0)
        if not most:
            return causes, details
        hypothesis, right = tried[counts.index(most)]
        assert right is not None
        chosen = right & left
        causes = pl.select(pl.when(chosen).then(pl.lit(hypothesis.cause)).otherwise(causes)).to_series()
        left &= ~right
        if hypothesis.detail:
            details.setdefault(hypothesis.cause, hypothesis.detail)


def _left(engine: Engine, served: ServedRows, wrong: pl.DataFrame, causes: pl.DataFrame) -> pl.DataFrame:
    """Name what no row's hypothesis explains: a default on one side only, else a value that is corrupted."""
    if served.stored:
        return causes.select(
            pl.when(wrong[name]).then(pl.col(name).fill_null(_CORRUPTED)).alias(name) for name in causes.columns
        )
    default: Cause = "default"
    plain = computed(engine, served, TableQuestion(plain=True))
    blank = computed(engine, served, TableQuestion(blank=True))
    columns = []
    for name in causes.columns:
        value = served.values[name]
        lacks = value.is_null() & plain[name].is_null()
        is_default = ~differing(value, blank[name], tolerance=0.0) & value.is_not_null()
        cause = pl.when(lacks | is_default).then(pl.lit(default)).otherwise(pl.lit(_CORRUPTED))
        columns.append(pl.when(wrong[name]).then(pl.coalesce(causes[name], cause)).alias(name))
    return pl.DataFrame([pl.select(column).to_series() for column in columns])
