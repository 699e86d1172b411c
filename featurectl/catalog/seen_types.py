"""Definitions with the types that were seen in their data, where the files say none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import DataError
from featurectl.language.typing.registered import typed_view

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.language.definitions.view import FeatureView


def with_types(view: FeatureView, columns: Mapping[str, str]) -> FeatureView:
    """Return a view typed by the columns that its table was made with; as it is where it does not fit them."""
    try:
        return typed_view(view, columns)
    except DataError:
        return view


def with_seen_types(source: Source, seen: Source | None) -> Source:
    """Return a source with the types that it has in a view, where it has none itself."""
    if seen is None or seen.columns is None or source.columns_declared:
        return source
    known = source.columns or {}
    if known and UNKNOWN not in known.values():
        return source
    columns = {**seen.columns, **{name: dtype for name, dtype in known.items() if dtype != UNKNOWN}}
    made = {item.name: item.dtype for item in seen.select}
    select = tuple(replace(item, dtype=item.dtype or made.get(item.name)) for item in source.select)
    return replace(source, columns=columns, select=select)
