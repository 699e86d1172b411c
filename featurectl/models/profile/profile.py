"""The profile of a model version: its inputs as it was trained on them, and its scores."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, Literal

import polars as pl

from featurectl.core.documents import parse_json
from featurectl.core.errors import DataError
from featurectl.models.profile.categories import (
    Categories,
    CategoryTally,
    categories_json,
    load_categories,
    profile_categories,
)
from featurectl.models.profile.numbers import (
    NumberCounts,
    NumberTally,
    Scratch,
    load_numbers,
    numbers_json,
    profile_numbers,
)
from featurectl.models.request_matrix import CATEGORY
from featurectl.models.runtimes.base import Scores
from featurectl.registry.state import BoundFeature

PROFILE: Final = "profile.json"
SCORE: Final = "score"
_VERSION: Final = 1
_AT_ONCE: Final = min(os.cpu_count() or 1, 4)  # columns
ProfileKind = Literal["feature", "score"]
Values = NumberCounts | Categories


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledColumn:
    """An input of a model, or its score: a name may be both."""

    name: str
    kind: ProfileKind
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Columns of a model in the order of its inputs, the score last."""

    columns: Sequence[ProfiledColumn]


def take_profile(inputs: Sequence[BoundFeature], rows: pl.DataFrame, scores: Scores) -> Profile:
    """Return the profile of the rows that a model was trained on, and of scores."""

    def profiled(item: BoundFeature) -> ProfiledColumn:
        take = profile_categories if item.model_dtype == CATEGORY else profile_numbers
        return ProfiledColumn(name=item.name, kind="feature", values=take(rows[item.name]))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        columns = list(pool.map(profiled, inputs))
    score = profile_numbers(pl.Series(SCORE, scores, dtype=pl.Float64))
    return Profile(columns=[*columns, ProfiledColumn(name=SCORE, kind=SCORE, values=score)])


class ProfileTally:
    """Counts other rows by the bins and the categories of a profile, a batch after the other."""

    def __init__(self, profile: Profile) -> None:
        self._columns = profile.columns
        self._tallies = [_tally_of(column.values) for column in profile.columns]
        self._scratches: SimpleQueue[Scratch] = SimpleQueue()
        for _ in range(_AT_ONCE):
            self._scratches.put(Scratch())

    def add(self, rows: pl.DataFrame, score: pl.Series) -> None:
        """Take more rows: a column per input, and the scores, which may be fewer."""
        given = [rows[column.name] if column.kind != SCORE else score for column in self._columns]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._add_column, self._tallies, given))

    def _add_column(self, tally: NumberTally | CategoryTally, column: pl.Series) -> None:
        if isinstance(tally, CategoryTally):
            tally.add(column)
            return
        scratch = self._scratches.get()
        try:
            tally.add(column, scratch)
        finally:
            self._scratches.put(scratch)

    def profile(self) -> Profile:
        """Return what has been counted so far."""
        return Profile(columns=list(self._counted()))

    def _counted(self) -> Iterator[ProfiledColumn]:
        for column, tally in zip(self._columns, self._tallies, strict=True):
            values = tally.numbers() if isinstance(tally, NumberTally) else tally.categories()
            yield ProfiledColumn(name=column.name, kind=column.kind, values=values)


def _tally_of(values: Values) -> NumberTally | CategoryTally:
    if isinstance(values, NumberCounts):
        return NumberTally(values.edges, values.centre, values.counts)
    return CategoryTally(values.counts)


def dump_profile(profile: Profile) -> bytes:
    """Return a profile as JSON; the same rows are the same bytes."""
    columns = [{"name": c.name, "kind": c.kind, **_values_json(c.values)} for c in profile.columns]
    document = {"schema_version": _VERSION, "columns": columns}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def load_profile(content: bytes) -> Profile:
    """Return the profile of a JSON text.

    Raises:
        DataError: FC512, it is that of another version of featurectl.
    """
    document = parse_json(content)
    if document["schema_version"] != _VERSION:
        message = f"the profile is of schema version {document['schema_version']}, this featurectl reads {_VERSION}"
        raise DataError(message, code="FC512", hint="train the model again, or use the featurectl that trained it")
    return Profile(columns=[_load(column) for column in document["columns"]])


def _values_json(values: Values) -> Mapping[str, object]:
    return numbers_json(values) if isinstance(values, NumberCounts) else categories_json(values)


def _load(column: Mapping[str, object]) -> ProfiledColumn:
    values = load_categories(column) if "categories" in column else load_numbers(column)
    return ProfiledColumn(
        name=str(column["name"]), kind="score" if column["kind"] == SCORE else "feature", values=values
    )
