"""One field of what an object says, and how values of each kind become one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from featurectl.core.dtypes import FLOAT64
from featurectl.core.units import format_duration
from featurectl.expressions.check import untyped_canonical
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About, Freshness
from featurectl.language.definitions.source import Check

Constant = bool | int | float | str | None


class Fact(NamedTuple):
    """One field: `value` is JSON-ready and decides equality, `text` is how people write it ("-": not set)."""

    value: object
    text: str


Facts = Mapping[str, Fact]  # field -> fact; of one feature: "<its list in the file>.<feature>.<field>"


def written(expression: Expression | None) -> Fact:
    """Return an expression: its typed tree, or its canonical text as long as no types are known."""
    if expression is None:
        return Fact(None, "-")
    tree = expression.tree
    return Fact(tree.canonical() if tree else ["untyped", untyped_canonical(expression.text)], expression.text)


def constant(value: Constant, dtype: str | None) -> Fact:
    """Return a value of a type, as JSON."""
    if dtype == FLOAT64 and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return Fact(value, "-" if value is None else json.dumps(value, ensure_ascii=False))


def plain(value: Constant) -> Fact:
    """Return a value as it is."""
    if value is None:
        return Fact(None, "-")
    return Fact(value, str(value).lower() if isinstance(value, bool) else f"{value}")


def duration(length_us: int | None) -> Fact:
    """Return a length of time."""
    return Fact(length_us, "-" if length_us is None else format_duration(length_us))


def names(ordered: Iterable[str]) -> Fact:
    """Return names in an order that has a meaning."""
    listed = list(ordered)
    return Fact(listed, ", ".join(listed) or "-")


def about_facts(about: About) -> dict[str, Fact]:
    """Return what every object says of itself."""
    return {
        "description": plain(about.description or None),
        "owner": plain(about.owner or None),
        "tags": names(sorted(about.tags)),
    }


def check_facts(checks: Sequence[Check]) -> dict[str, Fact]:
    """Return the checks by their labels, which say all of them."""
    return {"checks": names(sorted(c.label + " (warn)" * (c.severity == "warn") for c in checks))} if checks else {}


def freshness_facts(freshness: Freshness | None) -> dict[str, Fact]:
    """Return how fresh an object promises to be."""
    given = freshness or Freshness()
    return {
        "freshness.warn_after": duration(given.warn_after_us),
        "freshness.error_after": duration(given.error_after_us),
    }
