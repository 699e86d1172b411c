"""Counts of what was compared and what differs, value by value, as rows come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from featurectl.core.units import format_iso
from featurectl.monitor.verify.report import FeatureSkew
from featurectl.monitor.verify.served_rows import ServedRows


@dataclass(slots=True, kw_only=True)
class SkewTally:
    """What was found of one value by now."""

    name: str
    view: str
    compared: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    example: str = ""

    def count(self, causes: pl.Series) -> None:
        """Count the causes of values that differ; null is one that does not."""
        self.causes.update(dict(causes.drop_nulls().value_counts().iter_rows()))

    def skew(self, model: str = "", version: int = 0) -> FeatureSkew:
        """Return the counts."""
        mismatched = self.causes.total()
        return FeatureSkew(
            model=model,
            version=version,
            feature=self.name,
            view=self.view,
            compared=self.compared,
            mismatched=mismatched,
            causes=dict(self.causes.most_common()),
            details={cause: text for cause, text in self.details.items() if cause in self.causes},
            example=self.example,
        )


def tallies(names: Mapping[str, str], view: str) -> dict[str, SkewTally]:
    """Return a tally for each value of a view version, by its column; `names` are what columns are called."""
    return {column: SkewTally(name=name, view=view) for column, name in names.items()}


def show_difference(served: ServedRows, computed: pl.DataFrame, name: str, row: int) -> str:
    """Return a value that differs in words: whose, when, what was served and what the table gives."""
    keys = [f"{key}={shown_value(served.keys[key][row])}" for key in served.keys.columns]
    at = f"at {shown_value(served.at[row])}"
    if served.known is not None and served.known[row] != served.at[row]:
        at += f", known at {shown_value(served.known[row])}"
    values = f"served {shown_value(served.values[name][row])}, offline {shown_value(computed[name][row])}"
    return f"{' '.join([*keys, at])}: {values}"


def shown_value(value: object) -> str:
    """Return a value as a file would have it: `true`, `null`, an instant as ISO 8601 has it."""
    if isinstance(value, pl.Series):
        return "[" + ", ".join(shown_value(item) for item in value) + "]"
    if isinstance(value, datetime):
        return format_iso(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
