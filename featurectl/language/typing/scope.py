"""Typing of expressions against the columns that are known, with every finding as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from featurectl.core.dtypes import BOOL, SCALARS, UNKNOWN, untyped_columns
from featurectl.core.nearest import did_you_mean, nearest
from featurectl.expressions.check import type_parsed
from featurectl.expressions.constants import settle
from featurectl.expressions.names import check_names, walk
from featurectl.expressions.parse import parse
from featurectl.expressions.syntax import Raw
from featurectl.expressions.tree import Expression, ExpressionError, ExpressionNode
from featurectl.language.definitions.separator import separator_hint
from featurectl.language.syntax.constants import fit_constant
from featurectl.language.syntax.node import Constant

Part = tuple[str, ...]  # what an issue is about: ("where",), ("select", "late"), ("derived", "trend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something that is wrong with a part of a definition; `start` and `end` are characters of its text.

    `end` 0: the part as a whole.
    """

    part: Part
    code: str
    message: str
    start: int = 0
    end: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The columns that expressions may read; None when not even their names are known.

    `below` are derived columns that are declared later, the one that is being read first.
    """

    columns: Mapping[str, str] | None
    issues: list[Issue] = field(default_factory=list)
    below: Sequence[str] = ()

    def expression(self, part: Part, text: str, want: str | None = None) -> tuple[Expression, str | None]:
        """Return the expression, typed as far as its columns are known, and its type or None.

        What is wrong goes to `issues`: FC301 an unknown column, FC303 not of the language, FC302 types.
        """
        raw = self._parsed(part, text)
        if raw is None:
            return Expression(text), None
        if self.columns is None or not _types_known(raw, self.columns):
            return Expression(text), want
        if raw.kind == "column" and (dtype := self.columns[raw.value]) not in SCALARS and want in (None, dtype):
            return Expression(text, _column(raw, dtype)), dtype
        try:
            typed = type_parsed(text, raw, self.columns, want)
        except ExpressionError as error:
            self._add(part, "FC302", error)
            return Expression(text), want
        return typed, typed.tree.dtype if typed.tree else None

    def aggregated(self, part: Part, text: str) -> tuple[Expression, str | None]:
        """Return what an aggregate reads, typed as `expression` does it.

        In `case when (where) then column end` the column is handed on as it is, of whatever type: decimals stay
        exact, NaN stays NaN.
        """
        raw = self._parsed(part, text)
        if raw is None or self.columns is None or not _types_known(raw, self.columns):
            return Expression(text), None
        if raw.kind != "case" or len(raw.args) != 3 or raw.args[1].kind != "column":
            return self.expression(part, text)
        where, column = raw.args[:2]
        condition, _ = self.expression(part, text[where.start : where.end], BOOL)
        dtype = self.columns[column.value]
        if condition.tree is None:
            return Expression(text), dtype
        null = ExpressionNode("lit", dtype, start=raw.end - 1, end=raw.end)
        tree = ExpressionNode("case", dtype, (condition.tree, _column(column, dtype), null), None, raw.start, raw.end)
        return Expression(text, settle(tree)), dtype

    def column(self, part: Part, name: str, named_by: str = "", *, is_key: bool = False, hint: str = "") -> str | None:
        """Return the type of a column, `unknown` when only its name is known; FC301 and None when there is none.

        `named_by` says who names it, where the place does not. `is_key`: it has to have this name, that of a key.
        `hint` is another one than the closest name.
        """
        if self.columns is None:
            return UNKNOWN
        if name not in self.columns:
            message, way_out = self._unknown(name) or (
                f'no column "{name}"{named_by}',
                hint or separator_hint(self.columns) or (select_hint if is_key else near_hint)(name, self.columns),
            )
            self.add(part, "FC301", message, way_out)
            return None
        return self.columns[name]

    def default(self, part: Part, value: Constant, dtype: str | None) -> Constant:
        """Return the default of a part as a value of its type; FC306 and None when it is none."""
        if value is None or dtype is None:
            return value
        fitted = fit_constant(value, dtype)
        if fitted is None:
            shown = json.dumps(value, ensure_ascii=False)
            self.add((*part, "default"), "FC306", f'the default of "{part[-1]}" is no {dtype}: {shown}')
        return fitted

    def add(self, part: Part, code: str, message: str, hint: str = "") -> None:
        """Add an issue about a part as a whole."""
        self.issues.append(Issue(part=part, code=code, message=message, hint=hint))

    def _unknown(self, name: str) -> tuple[str, str] | None:
        """Return what is said of a column that is there, and has no type of the language; None of another one."""
        kind = untyped_columns(self.columns).get(name)
        if kind is None:
            return None
        hint = "take out of it what is needed before: a column of its own, or a query (`sql:`)"
        return f'column "{name}" is {kind}, which the language has no type for', hint

    def _parsed(self, part: Part, text: str) -> Raw | None:
        """Return the raw tree of an expression whose names exist, or None with an issue."""
        try:
            raw = parse(text)
            check_names(raw, self.columns)
        except ExpressionError as error:
            self._add(part, "FC301" if error.unknown_column else "FC303", error)
            return None
        return raw

    def _add(self, part: Part, code: str, error: ExpressionError) -> None:
        message, hint = self._unknown(error.unknown_column) or (error.message, error.hint)
        if error.unknown_column in self.below:
            itself = error.unknown_column == self.below[0]
            hint = "it can't read itself" if itself else "it is declared below: a derived one sees those above it"
        elif error.unknown_column:
            hint = separator_hint(self.columns or ()) or hint
        self.issues.append(Issue(part=part, code=code, message=message, start=error.start, end=error.end, hint=hint))


def _types_known(raw: Raw, columns: Mapping[str, str]) -> bool:
    return all(columns[piece.value] != UNKNOWN for piece in walk(raw) if piece.kind == "column")


def _column(raw: Raw, dtype: str) -> ExpressionNode:
    return ExpressionNode("col", dtype, value=raw.value, start=raw.start, end=raw.end)


def near_hint(name: str, known: Mapping[str, object]) -> str:
    """Return the hint to a name that does not exist: the closest one, else those that do."""
    shown = ", ".join(sorted(known)[:12])
    return did_you_mean(name, known) or f"columns: {shown}"


def select_hint(key: str, known: Mapping[str, object]) -> str:
    r"""Return the hint to a key that a source lacks: how its `select` gives the closest column that name.

    >>> select_hint("customer", {"Customer ID": "string"})
    '`select: {customer: \'"Customer ID"\'}` of the source gives column "Customer ID" that name'
    """
    near = nearest(key, known)
    if not near:
        return near_hint(key, known)
    text = bare_column(near).text
    written = f"'{text}'" if text.startswith('"') else text
    return f'`select: {{{key}: {written}}}` of the source gives column "{near}" that name'


def bare_column(name: str) -> Expression:
    """Return the expression that reads one column, quoted when its name needs it.

    >>> bare_column("arr_delay").text, bare_column("Order No").text, bare_column("case").text
    ('arr_delay', '"Order No"', '"case"')
    """
    try:
        raw = parse(name)
    except ExpressionError:
        raw = None
    if raw is not None and raw.kind == "column" and raw.value == name:
        return Expression(name)
    return Expression('"' + name.replace('"', '""') + '"')
