"""Definitions from a registry, typed once the columns of their source are known: the first finding is raised.

For files, `type_check_source` and `type_check_view` return every finding as data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.scope import Issue, Part
from featurectl.language.typing.sources import type_check_source
from featurectl.language.typing.views import type_check_view


def type_source(source: Source, columns: Mapping[str, str]) -> Source:
    """Return the source typed by the columns of its files.

    Raises:
        DataError: an expression or a clock does not fit the columns.
    """
    typed, issues = type_check_source(source, columns)
    _raise_first(f'source "{source.name}"', issues)
    return typed


def type_view(view: FeatureView, columns: Mapping[str, str]) -> FeatureView:
    """Return the view with every expression and feature typed by the columns of its source's files.

    Raises:
        DataError: a column is missing or has a type that does not fit; it names the part of the view.
    """
    typed, issues = type_check_view(view, columns)
    _raise_first(f'feature view "{view.name}"', issues)
    return typed


def typed_view(view: FeatureView, columns: Mapping[str, str]) -> FeatureView:
    """Return the view with every type known, by the columns that its source turned out to have."""
    known = view.source.columns or {}
    if all(feature.dtype is not None for feature in view.features) and UNKNOWN not in known.values():
        return view
    return type_view(replace(view, source=replace(view.source, columns=dict(columns))), columns)


def part_text(part: Part) -> str:
    """Return what a message calls a part of a definition.

    >>> part_text(("feature", "amount_mean_7d")), part_text(("where",))
    ('feature "amount_mean_7d"', 'where')
    """
    return " ".join(f'"{word}"' if at else word for at, word in enumerate(part))


def _raise_first(what: str, issues: Sequence[Issue]) -> None:
    if not issues:
        return
    first = issues[0]
    code = {"FC301": "FC503"}.get(first.code, "FC504")
    raise DataError(f"{what}, {part_text(first.part)}: {first.message}", code=code, hint=first.hint)
