"""Checks of data: what they ask, and whether their columns are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf
from typing import Final

from featurectl.core.dtypes import FLOAT64, INT64, STRING, UNKNOWN, decimal_parts
from featurectl.language.definitions.source import Check
from featurectl.language.resolve.check_query import query_problem
from featurectl.language.resolve.declarations import Declarations, report_issues
from featurectl.language.shapes.checks import CheckShape
from featurectl.language.syntax.constants import fit_constant
from featurectl.language.typing.scope import Scope

_NUMBERS: Final = (INT64, FLOAT64)


def resolve_checks(
    shapes: Sequence[CheckShape], columns: Mapping[str, str] | None, declared: Declarations
) -> tuple[Check, ...]:
    """Return the checks of a source or a view; `columns` are those of its rows, None when they are not known.

    Reports FC301 a column that is not there, FC302 a column of a type that the check does not take or a value that is
    not of its type, FC519 a query that is none of a check.
    """
    return tuple(check for shape in shapes if (check := _check(shape, columns, declared)) is not None)


def _check(shape: CheckShape, columns: Mapping[str, str] | None, declared: Declarations) -> Check | None:
    node = shape.fields.scalar("column")
    if node is not None:
        scope = Scope(columns)
        dtype = scope.column(("column",), node.text)
        report_issues(declared.report, scope.issues, {("column",): node}, shape.fields.head)
        if dtype not in (None, UNKNOWN):
            assert dtype is not None
            _check_type(shape, dtype, declared)
    if shape.row_count is not None:
        low, high = shape.row_count
        return Check(kind="row_count", low=low, high=None if isinf(high) else high, severity=shape.severity)
    if shape.sql is not None:
        if problem := query_problem(shape.sql):
            declared.report.error("FC519", f"no query of a check: {problem}", shape.fields.place("sql"))
        return Check(kind="sql", text=shape.sql, severity=shape.severity)
    return _of_column(shape)


def _of_column(shape: CheckShape) -> Check | None:
    """Return the check of a column; None for one that is switched off (`not_null: false`)."""
    column, severity = shape.column, shape.severity
    if shape.between is not None:
        low, high = shape.between
        return Check(kind="between", column=column, low=low, high=high, severity=severity)
    if shape.in_ is not None:
        values = tuple(value for value in shape.in_ if value is not None)
        return Check(kind="in", column=column, values=values, severity=severity)
    if shape.matches is not None:
        return Check(kind="matches", column=column, text=shape.matches, severity=severity)
    if shape.max_null_rate is not None:
        return Check(kind="max_null_rate", column=column, share=shape.max_null_rate, severity=severity)
    if shape.not_null:
        return Check(kind="not_null", column=column, severity=severity)
    return Check(kind="unique", column=column, severity=severity) if shape.unique else None


def _check_type(shape: CheckShape, dtype: str, declared: Declarations) -> None:
    fields, report = shape.fields, declared.report
    if shape.between is not None and dtype not in _NUMBERS and decimal_parts(dtype) is None:
        report.error("FC302", f'"{shape.column}" is {dtype}; between takes numbers', fields.place("between"))
    if shape.matches is not None and dtype != STRING:
        report.error("FC302", f'"{shape.column}" is {dtype}; matches takes a string', fields.place("matches"))
    wrong = [value for value in shape.in_ or () if value is not None and fit_constant(value, dtype) is None]
    if wrong:
        report.error("FC302", f'"{shape.column}" is {dtype}; {wrong[0]!r} is none', fields.place("in"))
