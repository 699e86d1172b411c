"""What came of feature tests: values beside those that were expected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import polars as pl

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import parse_local_instant
from featurectl.language.syntax.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value that a test compares; `row` counts the spine's rows from 1."""

    row: int
    column: str
    expected: object
    found: object
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTestResult:
    """What came of a feature test: its cells in the order of rows and of columns as written, or why it could not run.

    The test is of a view or of a model: the other name is "". `seconds` is how long it took, or its share of what the
    tests took that ran with it.
    """

    name: str
    view: str = ""
    model: str = ""
    place: Place
    seconds: float
    cells: tuple[Cell, ...] = ()
    error: FeaturectlError | None = None

    @property
    def subject(self) -> str:
        """What is tested: the view by its name alone, or the model."""
        return self.view or f"model {self.model}"

    @property
    def differences(self) -> tuple[Cell, ...]:
        """The cells that are not as expected."""
        return tuple(cell for cell in self.cells if not cell.agrees)

    @property
    def passed(self) -> bool:
        """True when it ran and every value is as expected."""
        return self.error is None and not self.differences


def cells_of(expect: Sequence[Mapping[str, object]], values: pl.DataFrame, timezone: str) -> tuple[Cell, ...]:
    """Return each expected value beside the one found, row by row; floats agree to 1e-9 of their size, others exactly.

    The values have a row for each of `expect`. An expected time without an offset is of the time zone.
    """
    found = {name: values[name].to_list() for name in dict.fromkeys(name for row in expect for name in row)}
    return tuple(
        Cell(
            row=i + 1, column=name, expected=value, found=found[name][i], agrees=agree(value, found[name][i], timezone)
        )
        for i, wanted in enumerate(expect)
        for name, value in wanted.items()
    )


def agree(expected: object, found: object, timezone: str = "UTC") -> bool:
    """Return whether a value is as expected: floats to 1e-9 of their size, times and dates as written, else exactly."""
    if isinstance(expected, list | tuple) and isinstance(found, list):
        return len(expected) == len(found) and all(agree(*pair, timezone) for pair in zip(expected, found, strict=True))
    if isinstance(found, datetime) and expected is not None:
        return parse_local_instant(str(expected), timezone) == found
    if isinstance(found, date) and expected is not None:
        return str(expected) == found.isoformat()
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return type(expected) is type(found) and expected == found
    if isinstance(found, float):
        return math.isclose(found, float(expected), rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(found, Decimal):
        return Decimal(str(expected)) == found
    return type(expected) is type(found) and expected == found
