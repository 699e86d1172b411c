"""One column of a source as the type that the source declares for it: nothing is lost, or the row is bad."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from featurectl.core import dtypes
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import midnights, parse_dates, parse_timestamps, spell_wall_clock
from featurectl.core.frames.types import Nan, finite, language_dtype, polars_dtype, widen_column
from featurectl.core.units import plural
from featurectl.sources.failures import reading

_CHECKED: Final = (frozenset({dtypes.INT64, dtypes.FLOAT64, "decimal"}), frozenset({*dtypes.NUMERIC, dtypes.BOOL}))
_INFINITE: Final = r"(?i)^[+-]?inf(inity)?$"
_INT64_MAX: Final = 2**63 - 1
_EXACT: Final = frozenset(
    {
        (dtypes.BOOL, dtypes.STRING),
        (dtypes.INT64, dtypes.STRING),
        (dtypes.DATE, dtypes.STRING),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CastRules:
    """How a source's texts and clocks are read."""

    timezone: str = "UTC"
    nan: Nan = "null"
    timestamp_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A column read as `dtype`: `value` is the result, `bad` is true for values that can't be (None: all can).

    `dtype` None: the column as it is. `naive` says which values are timestamps without a time zone, True: all are.
    """

    name: str
    dtype: str | None
    value: pl.Expr
    bad: pl.Expr | None = None
    naive: pl.Expr | bool = False

    @property
    def column(self) -> pl.Expr:
        """The result in the Polars type that holds `dtype`."""
        return self.value if self.dtype is None else self.value.cast(polars_dtype(self.dtype))


def plan_cast(name: str, found: pl.DataType, want: str, reading: CastRules) -> Cast | None:
    """Return how a column of a Polars type becomes a type of the language, or None when it never does.

    A number may become another kind of number when its value stays the same (a decimal becomes the nearest
    float64); a text becomes what it spells; a date becomes its midnight in the source's time zone; whole numbers,
    booleans and dates become texts. Floats and timestamps become no texts.
    """
    column = pl.col(name)
    have = language_dtype(found)
    if _untyped(found) or (found == pl.UInt64 and want == dtypes.STRING):
        return Cast(name=name, dtype=want, value=column.cast(polars_dtype(want)))
    if have is None:
        return None
    wide = widen_column(column, found, timezone=reading.timezone, nan=reading.nan)
    cast = _cast_wide(name, wide, (have, want), reading)
    if cast is not None and isinstance(found, pl.Datetime) and found.time_zone is None:
        return replace(cast, naive=True)
    beyond = _beyond_int64(column, found)
    if cast is None or beyond is None:
        return cast
    return replace(cast, bad=beyond if cast.bad is None else beyond | cast.bad)


def _cast_wide(name: str, wide: pl.Expr, types: tuple[str, str], reading: CastRules) -> Cast | None:
    """Return how a column in the language's type becomes another type of it."""
    have, want = types
    if have == want:
        return Cast(name=name, dtype=want, value=wide)
    if have == dtypes.STRING:
        parsed = parse_text(wide, want, reading)
        if parsed is None:
            return None
        # Texts "NaN" and "inf" are floats that can be read, whatever becomes of them; "1e400" is none.
        value = finite(parsed) if want == dtypes.FLOAT64 and reading.nan == "null" else parsed
        naive = want == dtypes.TIMESTAMP and _naive_texts(wide, reading.timestamp_format)
        return Cast(name=name, dtype=want, value=value, bad=_lost(wide, parsed), naive=naive)
    if (have, want) == (dtypes.DATE, dtypes.TIMESTAMP):
        return Cast(name=name, dtype=want, value=midnights(wide, reading.timezone))
    return _convert(name, wide, have, want)


def cast_exact(column: pl.Series, dtype: str, what: str) -> pl.Series:
    """Return a column of a spine in a type of the language, by the rules of `plan_cast`.

    `what` names the column in the error ("spine column carrier"); rows are counted from 1.

    Raises:
        DataError: FC504, a value would change or can't be read.
    """
    with reading(what):
        made, wrong = _cast(column, dtype)
    if wrong is not None and wrong.any():
        check_exact([column], dtype, what)
    return made


def check_exact(columns: Iterable[pl.Series], dtype: str, what: str) -> None:
    """See that a column of a spine, given in parts of one type, fits a type of the language.

    Raises:
        DataError: FC504, a value would change or can't be read.
    """
    rows, bad, first = 0, 0, ""
    for column in columns:
        with reading(what):
            _, wrong = _cast(column, dtype)
        if wrong is not None and wrong.any():
            place = int(wrong.arg_true()[0])
            first = first or f"first at row {rows + place + 1}: {shown_value(column, place)}"
            bad += int(wrong.sum())
        rows += column.len()
    if bad:
        have, fit = _shown(column.dtype, dtype), "does not fit" if bad == 1 else "do not fit"
        misfits = f"{bad:,} of {rows:,} {plural(rows, 'value')} {fit}"
        raise DataError(f"{what} is {have}, must be {dtype}: {misfits}; {first}", code="FC504")


def shown_value(column: pl.Series, place: int) -> str:
    """Return a value as Python shows it; a time that Python does not have, as the number that it is.

    >>> shown_value(pl.Series([10**18]).cast(pl.Datetime("us")), 0), shown_value(pl.Series(["a"]), 0)
    ('1000000000000000000', "'a'")
    """
    try:
        return repr(column[place : place + 1].to_list()[0])
    except (OverflowError, ValueError, pl.exceptions.PanicException):
        return str(column.to_physical()[place])


def _cast(column: pl.Series, dtype: str) -> tuple[pl.Series, pl.Series | None]:
    """Return a column in another type, and which of its values do not fit; None: it has the type."""
    if column.dtype == polars_dtype(dtype):
        return column, None
    cast = plan_cast(column.name, column.dtype, dtype, CastRules())
    if cast is None:
        value, bad = pl.lit(None, polars_dtype(dtype)), pl.col(column.name).is_not_null()
    else:
        value, bad = cast.value.cast(polars_dtype(dtype)), pl.lit(value=False) if cast.bad is None else cast.bad
    made = column.to_frame().with_columns(value.alias("\x00value"), bad.fill_null(value=False).alias("\x00bad"))
    return made["\x00value"].alias(column.name), made["\x00bad"]


def parse_text(text: pl.Expr, want: str, reading: CastRules) -> pl.Expr | None:
    """Return what texts spell, null where they spell no such value; None when no text spells that type."""
    if want == dtypes.TIMESTAMP:
        return parse_timestamps(text, reading.timezone, reading.timestamp_format)
    if want == dtypes.DATE:
        return parse_dates(text)
    if want == dtypes.BOOL:
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(["true", "false"])).then(lower == "true")
    if parts := dtypes.decimal_parts(want):
        # The cast rounds; a digit that would be lost makes the value bad.
        text = pl.when(text.str.contains(rf"^[+-]?\d+(\.\d{{0,{parts[1]}}}0*)?$")).then(text)
        return text.cast(polars_dtype(want), strict=False)
    if want in dtypes.NUMERIC:
        number = text.cast(polars_dtype(want), strict=False)
        if want != dtypes.FLOAT64:
            return number
        return pl.when(~number.is_infinite() | text.str.contains(_INFINITE)).then(number)
    return None


def _naive_texts(text: pl.Expr, form: str | None) -> pl.Expr | bool:
    return spell_wall_clock(text) if form is None else "%z" not in form


def _convert(name: str, wide: pl.Expr, have: str, want: str) -> Cast | None:
    target = polars_dtype(want)
    if (have, want) in _EXACT:
        return Cast(name=name, dtype=want, value=wide.cast(target))
    kinds = {"decimal" if dtypes.decimal_parts(dtype) else dtype for dtype in (have, want)}
    if not (any(kinds <= group for group in _CHECKED) or (have, want) == (dtypes.TIMESTAMP, dtypes.DATE)):
        return None
    value = _fitting(wide, have, want).cast(target, strict=False)
    if dtypes.decimal_parts(have) and want == dtypes.FLOAT64:
        return Cast(name=name, dtype=want, value=value)
    back = value.cast(polars_dtype(have), strict=False)
    return Cast(name=name, dtype=want, value=value, bad=back.ne_missing(wide))


def _fitting(wide: pl.Expr, have: str, want: str) -> pl.Expr:
    """Return a column with null for floats that a decimal has no digits for: Polars raises on some of them."""
    parts = dtypes.decimal_parts(want)
    if parts is None or have != dtypes.FLOAT64:
        return wide
    return pl.when(wide.round(parts[1]).abs() < 10.0 ** (parts[0] - parts[1])).then(wide)


def _beyond_int64(column: pl.Expr, found: pl.DataType) -> pl.Expr | None:
    """Return which unsigned values, or lists with one, no int64 holds; null for null; None: the type has none."""
    if found == pl.UInt64:
        return column > _INT64_MAX
    if isinstance(found, pl.List | pl.Array) and found.inner == pl.UInt64:
        return (column.list.max() if isinstance(found, pl.List) else column.arr.max()) > _INT64_MAX
    return None


def _shown(found: pl.DataType, want: str) -> str:
    """Return the type that a column has, in other words than the one that it must have."""
    have = language_dtype(found)
    return str(found) if have is None or have == want else have


def _lost(before: pl.Expr, after: pl.Expr) -> pl.Expr:
    return before.is_not_null() & after.is_null()


def _untyped(found: pl.DataType) -> bool:
    return isinstance(found, pl.Null) or (isinstance(found, pl.List) and isinstance(found.inner, pl.Null))
