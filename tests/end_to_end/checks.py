"""Training sets held against their spine, the naive oracle and range joins. What differs is counted, by column."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from tests.end_to_end.compare import Compared, compare_columns, compare_values
from tests.end_to_end.declared import read_columns, read_views
from tests.end_to_end.flights import SPINE, TIME, Repository
from tests.end_to_end.oracle import Oracle
from tests.end_to_end.range_joins import RangeJoins

MODELS = ("everything", "late_arrival")
LABEL = {"late_arrival": "is_late"}


@dataclass(frozen=True)
class Joined:
    """A window of the template against its range join, and its share of the seconds of the SQL that answered it."""

    compared: Compared
    seconds: float


def against_spine(repository: Repository, model: str, made: pl.DataFrame) -> dict[str, Compared]:
    """Compare a training set's columns of the spine with the spine's file, row by row; the label stands last."""
    spine = repository.rows(SPINE)
    label = LABEL.get(model)
    own = [name for name in spine.columns if name != label]
    assert made.height == spine.height
    assert made.columns[: len(own)] == own
    assert label is None or made.columns[-1] == label
    names = own if label is None else [*own, label]
    assert [made.schema[name] for name in names] == [spine.schema[name] for name in names]
    return {name: compare_columns(made[name], spine[name]) for name in names}


def expected_columns(repository: Repository, model: str) -> list[str]:
    """Return the columns of a model's training set in order, as the YAML has them."""
    label = LABEL.get(model)
    own = [name for name in repository.rows(SPINE).columns if name != label]
    made = [c.name for c in read_columns(repository.root, model) if c.name not in own]
    return [*own, *made, *([] if label is None else [label])]


def draw_rows(height: int, count: int, seed: int) -> list[int]:
    """Return the numbers of some rows, drawn without replacement."""
    return sorted(random.Random(seed).sample(range(height), min(count, height)))


def against_oracle(
    repository: Repository, made: Mapping[str, pl.DataFrame], numbers: list[int]
) -> dict[tuple[str, str], Compared]:
    """Compare every column of the models at some rows of the spine with the naive oracle's."""
    oracle = _oracle(repository.root)
    spine = repository.rows(SPINE)[numbers]
    expected: dict[tuple[str, str], list[object]] = {}
    for asked in spine.iter_rows(named=True):
        for model, values in zip(made, oracle.rows(list(made), asked, TIME), strict=True):
            for name, value in values.items():
                expected.setdefault((model, name), []).append(value)
    return {
        (model, name): compare_values(made[model][name][numbers].to_list(), values)
        for (model, name), values in expected.items()
    }


@cache
def _oracle(root: Path) -> Oracle:
    """Return the oracle of a repository whose files no test changes."""
    return Oracle(root)


def ambiguous_rows(repository: Repository) -> dict[str, int]:
    """Return, by view, how many rows tie for the latest with another that says otherwise: the oracle can't tell."""
    oracle = _oracle(repository.root)
    return {name: oracle.ambiguous(view) for name, view in read_views(repository.root).items()}


def against_range_joins(repository: Repository, everything: pl.DataFrame) -> dict[str, Joined]:
    """Compare every window of the template at every row with its range join."""
    joins = RangeJoins(repository.root, repository.data(SPINE), TIME)
    found = {}
    for view in read_views(repository.root).values():
        if view.windows:
            joins.load(view.source)
        for length in dict.fromkeys(window.length_us for window in view.windows):
            windows = [window for window in view.windows if window.length_us == length]
            begin = time.perf_counter()
            answer = joins.answer(view, windows)
            seconds = (time.perf_counter() - begin) / len(windows)
            for window in windows:
                name = f"{view.name}__{window.name}"
                found[name] = Joined(compare_columns(everything[name], answer[window.name]), seconds)
    return found


def different(found: Mapping[object, Compared | Joined]) -> dict[object, int]:
    """Return how many cells differ in each column where some do."""
    compared = {name: item.compared if isinstance(item, Joined) else item for name, item in found.items()}
    return {name: item.different for name, item in compared.items() if item.different}
