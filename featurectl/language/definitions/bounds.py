"""What the numbers of gates, canaries and seeds can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic.config import JsonDict

from featurectl.language.problems.report import Report
from featurectl.language.syntax.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The least and the greatest number that is allowed, None: there is none; `is_above` leaves the least one out."""

    least: float | None = None
    most: float | None = None
    is_above: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number is within the bounds.

        >>> SHARE.holds(1), SHARE.holds(1.01), POSITIVE.holds(0), NOT_NEGATIVE.holds(0)
        (True, False, False, True)
        """
        if self.least is not None and (value < self.least or (self.is_above and value == self.least)):
            return False
        return self.most is None or value <= self.most

    def text(self) -> str:
        """Return the bounds in words.

        >>> SHARE.text(), PART.text(), POSITIVE.text(), NOT_NEGATIVE.text(), Bounds(most=1).text()
        ('from 0 to 1', 'above 0 and at most 1', 'above 0', 'at least 0', 'at most 1')
        """
        most = None if self.most is None else f"at most {self.most:.10g}"
        if self.least is None:
            return most or "any number"
        if self.is_above:
            return f"above {self.least:.10g}" + (f" and {most}" if most else "")
        return f"at least {self.least:.10g}" if self.most is None else f"from {self.least:.10g} to {self.most:.10g}"

    def schema(self) -> JsonDict:
        """Return the bounds as JSON Schema."""
        found: JsonDict = {}
        if self.least is not None:
            found["exclusiveMinimum" if self.is_above else "minimum"] = self.least
        if self.most is not None:
            found["maximum"] = self.most
        return found


SHARE: Final = Bounds(least=0, most=1)
PART: Final = Bounds(least=0, most=1, is_above=True)
POSITIVE: Final = Bounds(least=0, is_above=True)
NOT_NEGATIVE: Final = Bounds(least=0)
PERCENT: Final = Bounds(least=0, most=100)
SEED: Final = Bounds(least=0, most=2**31 - 1)  # what every library takes
_UP_TO_1: Final = Bounds(most=1)
_BETWEEN_SHARES: Final = Bounds(least=-1, most=1)
_ANY: Final = Bounds()
_ERRORS: Final = ("log_loss", "mae", "rmse", "mape")


def metric_bounds(metric: str) -> Bounds:
    """Return what a metric can be.

    >>> metric_bounds("auc").text(), metric_bounds("r2").text(), metric_bounds("rmse").text()
    ('from 0 to 1', 'at most 1', 'at least 0')
    """
    if metric in _ERRORS:
        return NOT_NEGATIVE
    return _UP_TO_1 if metric == "r2" else SHARE


def gain_bounds(metric: str) -> Bounds:
    """Return what a metric can be better than another version's by."""
    return _BETWEEN_SHARES if metric_bounds(metric) == SHARE else _ANY


def check_number(key: str, value: float, bounds: Bounds, place: Place, report: Report) -> None:
    """Report FC104 for a number that is out of its bounds."""
    if not bounds.holds(value):
        report.error("FC104", f'"{key}" is {bounds.text()}, not {value:.10g}', place)
