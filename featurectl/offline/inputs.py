"""What the rows and columns of a view's offline table were made by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from featurectl.expressions.check import expression_columns, untyped_canonical
from featurectl.identity.facts.sources import plain_query
from featurectl.language.definitions.source import CsvOptions, Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import transform_sources
from featurectl.language.syntax.python_code import code_digest
from featurectl.offline.base import Coverage

_FORM: Final = ":4"  # of what featurectl makes of the rows: it changes when they do


def input_marks(view: FeatureView) -> dict[str, str]:
    """Return a digest per input column: of its expression, and of the `select` columns that it reads."""
    select = _select(view.source)
    return {item.name: _mark(item.expression.text, select) for item in view.inputs}


def lacking_inputs(coverage: Coverage, view: FeatureView) -> frozenset[str]:
    """Return the inputs of the view that its table does not hold, or holds by another expression."""
    return frozenset(name for name, mark in input_marks(view).items() if coverage.inputs.get(name) != mark)


def rows_mark(view: FeatureView) -> str:
    """Return what says which rows of its sources a view has, whose and when, and in which form: the same in a version.

    It is a digest of the definition, and the form in which this featurectl makes the rows.
    """
    return _definition(view) + _FORM


def has_other_definition(coverage: Coverage, view: FeatureView) -> bool:
    """Return whether a table was made by another definition than the view's, of another registry with its number."""
    definition = coverage.rows_mark.partition(":")[0]
    return definition not in ("", _definition(view))


def has_other_form(coverage: Coverage, view: FeatureView) -> bool:
    """Return whether a table has rows in another form, which those of this featurectl can't be added to."""
    return not has_other_definition(coverage, view) and not coverage.rows_mark.endswith(_FORM)


def _definition(view: FeatureView) -> str:
    columns = {view.join.get(key, key) for key in view.keys}
    rows = _mark(view.where.text, _select(view.source)) if view.where is not None else None
    keys = [[key, dtype, view.join.get(key, key)] for key, dtype in view.key_types.items()]
    sources = [_source(source, columns, whole=view.transform is not None) for source in transform_sources(view)]
    transform = view.transform and [view.transform.function, code_digest(view.transform.text)]
    return _digest([rows, keys, sources, transform])


def _source(source: Source, columns: set[str], *, whole: bool) -> list[object]:
    """Return how the rows of a source are read, and what its `select` makes of their keys and clocks, or of all."""
    clocks = [source.event_time, source.available_at, *source.tiebreak, *sorted(source.dedup_key)]
    select = _select(source)
    read = sorted(select if whole else select.keys() & {*columns, *clocks})
    csv = _csv(source.csv_options or CsvOptions())
    query = plain_query(source.sql.query) if source.sql else None
    made = [[name, untyped_canonical(select[name])] for name in read]
    own = [clocks, source.delay_us or 0, source.timezone, source.nan, csv, query, made]
    if not source.is_stream:
        return own
    return [*own, "stamped", source.history and _source(source.history, columns, whole=whole)]


def _csv(options: CsvOptions) -> list[object] | None:
    """Return how texts are read; None as everybody does, so that rows that move into Parquet stay the same."""
    form: list[object] = [sorted(set(options.null_values)), options.timestamp_format]
    return None if form == [sorted(set(CsvOptions().null_values)), None] else form


def _select(source: Source) -> dict[str, str]:
    return {item.name: item.expression.text for item in source.select}


def _mark(text: str, select: Mapping[str, str]) -> str:
    used = sorted(expression_columns(text) & select.keys())
    form = [untyped_canonical(text), [[name, untyped_canonical(select[name])] for name in used]]
    return _digest(form)


def _digest(form: list[object]) -> str:
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()[:16]
