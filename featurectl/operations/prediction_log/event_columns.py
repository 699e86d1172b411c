"""Columns of the log that predictions on events have, and that files of before them lack."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import polars as pl

_EVENT_COLUMNS: Final = ("known_at", "prediction_id")
ANSWERED: Final[Mapping[str, pl.DataType]] = {
    name: pl.Datetime("us", "UTC") for name in ("time", "known_at", "logged_at")
}


def answered_at() -> pl.Expr:
    """Return when a row was answered, of the columns of `ANSWERED`: the instant of a request, or when an event was.

    The `time` of an event is its own, which may be long before anybody knew of it.
    """
    return pl.when(pl.col("known_at").is_not_null()).then("logged_at").otherwise("time")


def older_names(columns: Collection[str]) -> Mapping[str, str]:
    """Return what columns of a file of before are called now: a key or request column of a name that is taken since.

    >>> older_names(["time", "known_at"])
    {'known_at': 'request.known_at'}
    >>> older_names(["time", "known_at", "prediction_id"])
    {}
    """
    there = [name for name in _EVENT_COLUMNS if name in columns]
    return {} if len(there) == len(_EVENT_COLUMNS) else {name: f"request.{name}" for name in there}
