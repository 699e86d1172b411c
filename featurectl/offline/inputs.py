"""What the rows and columns of a view's offline table were made by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from featurectl.core.units import DAY_US, instant_us
from featurectl.expressions.check import expression_columns, untyped_canonical
from featurectl.identity.facts.sources import plain_query
from featurectl.language.definitions.source import CsvOptions, Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import transform_sources
from featurectl.language.syntax.python_code import code_digest
from featurectl.offline.base import Coverage

_FORM: Final = ":2"  # of what featurectl makes of the rows; without one ties are ordered by another hash
_TIED_COPIES: Final = ":3"  # where a `tiebreak` chooses among copies of an event, which their hash did before

_LOCAL_DAYS: Final = "d"  # where dates are clocks of a time zone, which were their midnight UTC before


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
    return _definition(view) + _form(view)


def has_other_definition(coverage: Coverage, view: FeatureView) -> bool:
    """Return whether a table was made by another definition than the view's, of another registry with its number."""
    definition = coverage.rows_mark.partition(":")[0]
    return definition not in ("", _definition(view))


def has_older_form(coverage: Coverage, view: FeatureView) -> bool:
    """Return whether a table has rows in an older form, which those of this featurectl can't be added to."""
    if has_other_definition(coverage, view) or coverage.rows_mark.endswith(_form(view)):
        return False
    is_of_days = _has_local_days(view) and coverage.rows_mark.endswith(_form(view).removesuffix(_LOCAL_DAYS))
    return not is_of_days or _may_have_dates(coverage)


def has_moved_days(coverage: Coverage, view: FeatureView) -> bool:
    """Return whether a table's dates may be midnight UTC, and are to be midnight elsewhere: no row is lost by that."""
    return _has_local_days(view) and has_older_form(coverage, view)


def older_form(coverage: Coverage, view: FeatureView) -> str:
    """Return why a table's rows are in an older form; empty: they are not."""
    if not has_older_form(coverage, view):
        return ""
    return "an older featurectl made it" + ", to which a date was midnight UTC" * _has_local_days(view)


def _may_have_dates(coverage: Coverage) -> bool:
    """Return whether the newest rows of a table have a clock that shows midnight UTC, which dates were."""
    clocks = (coverage.newest_event, coverage.watermark)
    return any(clock is not None and instant_us(clock) % DAY_US == 0 for clock in clocks)


def _form(view: FeatureView) -> str:
    tied = any(source.tiebreak and source.dedup_key for source in transform_sources(view))
    return (_TIED_COPIES if tied else _FORM) + _LOCAL_DAYS * _has_local_days(view)


def _has_local_days(view: FeatureView) -> bool:
    """Return whether a clock of a view may be a date in another time zone than UTC."""
    return any(source.timezone != "UTC" and not source.static for source in transform_sources(view))


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
