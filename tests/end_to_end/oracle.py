"""A model's row by the naive oracle: source files, meaning of the YAML and derived columns in plain Python."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl

from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion
from tests.end_to_end.declared import Column, Source, View, read_columns, read_views

Row = Mapping[str, Any]
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
MARGIN = timedelta(hours=2)  # rows so far outside a window are still shown to the oracle, which leaves them out


def _of(function: Callable[..., object], *names: str) -> Callable[[Row], Any]:
    """A function of columns that is null where one of them is."""
    return lambda row: None if any(row[name] is None for name in names) else function(*(row[name] for name in names))


def _less(a: float, b: float) -> float:
    return a - b


def _hours(a: datetime, b: datetime) -> float:
    return (b - a) / timedelta(hours=1)


# What each expression of the template means. An expression that is not here fails the test that meets it.
MEANING: Mapping[str, Callable[[Row], Any]] = {
    "arr_delay > 15": _of(lambda delay: delay > 15, "arr_delay"),
    "dep_delay > 15": _of(lambda delay: delay > 15, "dep_delay"),
    "wind_speed * 1.609344": _of(lambda speed: speed * 1.609344, "wind_speed"),
    "temp - dewp": _of(_less, "temp", "dewp"),
    "arr_delay_mean_1d - arr_delay_mean_7d": _of(_less, "arr_delay_mean_1d", "arr_delay_mean_7d"),
    "seconds_between(arrived_at_last_lifetime, asof) / 3600": _of(_hours, "arrived_at_last_lifetime", "asof"),
    "seconds_between(departed_at_last_lifetime, asof) / 3600": _of(_hours, "departed_at_last_lifetime", "asof"),
    "origin_dep_delay_mean_1h - origin_dep_delay_mean_3h": _of(
        _less, "origin_dep_delay_mean_1h", "origin_dep_delay_mean_3h"
    ),
    "flight_arr_delay_mean_28d - carrier_arr_delay_mean_1d": _of(
        _less, "flight_arr_delay_mean_28d", "carrier_arr_delay_mean_1d"
    ),
}


def meaning(text: str) -> Callable[[Row], Any]:
    """Return what an expression computes of a row; a lone name is that column."""
    return (lambda row: row[text]) if text.isidentifier() else MEANING[text]


class Oracle:
    """Answers from a repository's files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._views = read_views(root)
        self._read = cache(self._source_rows)
        self._index = cache(self._by_key)
        self._columns = cache(partial(read_columns, root))

    def rows(self, models: Sequence[str], asked: Row, time: str) -> list[dict[str, Any]]:
        """Return the columns of some models at one spine row, in order; an answer that they share is made once."""
        answers: dict[tuple, Row] = {}
        return [self._row(self._columns(model), asked, asked[time], answers) for model in models]

    def _row(self, columns: list[Column], asked: Row, t: datetime, answers: dict[tuple, Row]) -> dict[str, Any]:
        values = {"asof": t}
        for column in columns:
            if column.view is not None:
                place = (column.view, *column.join.values())  # type: ignore[union-attr]
                if place not in answers:
                    key = tuple(asked[name] for name in column.join.values())  # type: ignore[union-attr]
                    answers[place] = self.answer(self._views[column.view], key, t)
                found = answers[place][column.feature]
                values[column.name] = column.default if found is None else found  # type: ignore[assignment]
            else:
                values[column.name] = meaning(column.expr)(values) if column.expr else asked[column.name]
        return {column.name: values[column.name] for column in columns}

    def answer(self, view: View, key: tuple, t: datetime) -> Row:
        """Return every feature of a view for one entity at t."""
        asked = {**dict(zip(view.join.values(), key, strict=True)), "t": t}
        rows = self._near(view, key, t)
        names: dict[str, Any] = {"keys": list(view.join.values()), "time": "t"}
        if view.windows:
            questions = [
                WindowQuestion(name=w.name, op=w.op, column=w.column, window_us=w.length_us) for w in view.windows
            ]
            answer = windows_naively(rows, [asked], questions=questions, **names)[0]
        else:
            states = [StateQuestion(name=name, column=f"={name}") for name in view.states]
            answer = states_naively(rows, [asked], questions=states, ttl_us=view.ttl_us, **names)[0]
        values = {**answer, "asof": t}
        for name, text in view.derived.items():
            values[name] = meaning(text)(values)
        return values

    def ambiguous(self, view: View) -> int:
        """Return how many rows of a view could be the last one as well as another that says something else."""
        columns = [window.column for window in view.windows if window.op == "last"] + [
            f"={name}" for name in view.states
        ]
        count = 0
        for _, rows in self._index(view.name).values():
            said: dict[tuple, tuple] = {}
            for row in rows:
                values = tuple(row[column] for column in columns)  # type: ignore[index]
                count += said.setdefault((row["event_time"], row["available_at"]), values) != values
        return count

    def _near(self, view: View, key: tuple, t: datetime) -> list[Row]:
        """Return the rows of an entity that can matter at t, and some that can't: windows go back only so far."""
        times, rows = self._index(view.name).get(key, ([], []))
        lengths = [window.length_us for window in view.windows] or [view.ttl_us]
        if None in lengths:
            return rows
        start = t - timedelta(microseconds=max(lengths)) - MARGIN  # type: ignore[arg-type, type-var]
        return rows[bisect_left(times, start) : bisect_right(times, t + MARGIN)]

    def _by_key(self, name: str) -> dict[tuple, tuple[list[datetime], list[Row]]]:
        view = self._views[name]
        index: dict[tuple, tuple[list[datetime], list[Row]]] = {}
        states = {f"={state}": meaning(text) for state, text in view.states.items()}
        columns = list(view.join.values())
        for row in self._read(view.source.name):
            times, rows = index.setdefault(tuple([row[column] for column in columns]), ([], []))
            times.append(row["event_time"])
            rows.append(row | {name: function(row) for name, function in states.items()} if states else row)  # type: ignore[operator]
        return index

    def _source_rows(self, name: str) -> list[Row]:
        source = next(view.source for view in self._views.values() if view.source.name == name)
        rows = [
            _clocked(row, source, i)
            for i, row in enumerate(pl.read_parquet(self._root / source.path).iter_rows(named=True))
        ]
        rows = sorted((r for r in rows if r["event_time"] and r["available_at"]), key=lambda row: row["available_at"])
        if source.dedup_key:
            first: dict[tuple, Row] = {}
            for row in rows:
                first.setdefault(tuple(row[column] for column in source.dedup_key), row)
            rows = list(first.values())  # type: ignore[arg-type]
        for row in rows:
            row.update({name: meaning(text)(row) for name, text in source.select.items()})
        return sorted(rows, key=lambda row: row["event_time"])


def _clocked(row: dict, source: Source, number: int) -> dict:
    event = ALWAYS if source.event_time is None else row[source.event_time]
    available = ALWAYS if source.available_at is None else row[source.available_at]
    # Ties of both clocks are broken by a hash in featurectl; here by the order of the file: see `Oracle.ambiguous`.
    return row | {"event_time": event, "available_at": available, "tie_order": number}
