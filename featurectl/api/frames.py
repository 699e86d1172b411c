"""Frames as people have them: pandas, Polars and Arrow in, and the same kind out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args

import polars as pl
from polars import selectors

from featurectl.core.errors import DataError, UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.models.matrix import category_texts, category_values

if TYPE_CHECKING:
    import pandas as pd

FrameT = TypeVar("FrameT")  # a frame of pandas, Polars or Arrow, as it was given
FrameKind = Literal["polars", "pandas", "arrow"]
AnyFrame = Any  # a frame of one of these kinds: pandas and Arrow are loaded by who uses them alone
_NEEDS = "pip install 'featurectl[pandas]'"
_NULLABLE = ("Int64", "UInt64", "boolean")  # what `_as_pandas` makes of columns with nulls
_WHOLE_NUMBERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


def kind_of_frame(frame: object) -> FrameKind | None:
    """Return which kind of frame an object is; None: it is none.

    >>> kind_of_frame(pl.DataFrame()), kind_of_frame([1])
    ('polars', None)
    """
    module = type(frame).__module__.partition(".")[0]
    name = type(frame).__name__
    if isinstance(frame, pl.DataFrame):
        return "polars"
    if module == "pandas" and name == "DataFrame":
        return "pandas"
    if module == "pyarrow" and name in ("Table", "RecordBatch"):
        return "arrow"
    return None


def to_polars(frame: AnyFrame, what: str) -> pl.DataFrame:
    """Return a frame as a Polars one, row for row; of pandas the named levels of the index are columns too.

    Raises:
        UsageError: it is no frame, or a lazy one, or what reads it is not installed.
        DataError: a column holds what no column can (values of several types).
    """
    if isinstance(frame, pl.LazyFrame):
        raise UsageError(f"{what} is a LazyFrame", hint="collect() it")
    if isinstance(frame, pl.DataFrame):
        return frame
    kind = kind_of_frame(frame)
    if kind is None:
        found = f"{type(frame).__module__}.{type(frame).__qualname__}".removeprefix("builtins.")
        raise UsageError(f"{what} is a {found}, no frame", hint="a frame of pandas, Polars or PyArrow")
    return _read(what, lambda: _of_pandas(frame, what) if kind == "pandas" else _of_arrow(frame, what))


def _of_arrow(frame: AnyFrame, what: str) -> pl.DataFrame:
    _check_doubles(frame.schema.names, what)
    return pl.DataFrame(pl.from_arrow(frame))


def _check_doubles(names: Sequence[str], what: str) -> None:
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        raise UsageError(f"{what}: two columns are named {doubled!r}", hint="rename or drop one of them")


def _of_pandas(frame: pd.DataFrame, what: str) -> pl.DataFrame:
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    flat = frame.reset_index(level=named) if named else frame
    if wrong := [name for name in flat.columns if not isinstance(name, str)]:
        raise UsageError(f"a column of the frame is named {wrong[0]!r}, which is no text", hint="rename the columns")
    _check_doubles(flat.columns.tolist(), what)
    try:
        return pl.from_pandas(flat, nan_to_null=True)
    except ImportError:
        raise
    except Exception:  # of PyArrow: its errors are of many kinds
        _check_mixed(flat, what)
        raise


def _read(what: str, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    try:
        return read()
    except ImportError as error:
        raise UsageError(f"{what}: {error.name or 'pyarrow'} is not installed", hint=_NEEDS) from error
    except (UsageError, DataError, MemoryError):
        raise
    except Exception as error:  # of PyArrow: its errors are of many kinds
        raise DataError(f"{what} can't be read: {_first_line(error)}", code="FC504") from error


def _check_mixed(frame: pd.DataFrame, what: str) -> None:
    """See that no column of pandas mixes texts with other values, which no column of another frame holds.

    Raises:
        DataError: FC504, one does; it names the first row of another type than those before.
    """
    import pandas as pd

    for name, values in frame.items():
        if values.dtype.kind != "O" or isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype):
            continue
        kinds = [type(value) for value in values]
        known = values.notna().to_numpy()
        first = next((kind for kind, is_known in zip(kinds, known, strict=True) if is_known), str)
        for place, kind in enumerate(kinds):
            if known[place] and kind is not first and str in (kind, first):
                message = f"{what}: column {name!r} mixes {first.__name__} and {kind.__name__}"
                row = f"row {place + 1:,} (index {frame.index.tolist()[place]!r}) is {values.iloc[place]!r}"
                hint = f'give them one type: frame[{name!r}].astype("string")'
                raise DataError(f"{message}; {row}", code="FC504", hint=hint)


def to_kind(rows: pl.DataFrame, kind: FrameKind) -> AnyFrame:
    """Return rows as a frame of a kind.

    Raises:
        UsageError: what makes it is not installed.
    """
    try:
        if kind == "pandas":
            return _as_pandas(rows)
        return rows.to_arrow() if kind == "arrow" else rows
    except ImportError as error:
        raise UsageError(f"frames of {kind}: {error.name or 'pyarrow'} is not installed", hint=_NEEDS) from error


def _as_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    """Return a pandas frame in which no value is another one.

    Whole numbers and truths with nulls are of the types `Int64` (`UInt64`) and `boolean`, which have nulls: of
    numpy's, these would be floats and objects.
    """
    made = rows.to_pandas()
    for column in rows:
        if column.null_count() and column.dtype in (*_WHOLE_NUMBERS, pl.Boolean):
            made[column.name] = _with_nulls(column)
    return made


def _with_nulls(column: pl.Series) -> object:
    """Return whole numbers or truths, some of which are null, as an array of pandas that has nulls."""
    import pandas as pd

    kind = pd.arrays.BooleanArray if column.dtype == pl.Boolean else pd.arrays.IntegerArray
    return kind(column.fill_null(strategy="zero").to_numpy(writable=True), column.is_null().to_numpy(writable=True))


def like(rows: pl.DataFrame, given: AnyFrame, places: pl.Series | None = None) -> AnyFrame:
    """Return rows as the kind of frame that was given, row for row: those at `places`, all of them by default.

    Columns of that frame that are in the rows as they were come back as they went in, with their types; of pandas the
    result has its index, and what is a named level of that index is no column beside it.
    """
    kind = kind_of_frame(given) or "polars"
    if kind == "polars":
        return rows
    read = to_polars(given, "the frame")
    read = read if places is None else read[places]
    untouched = {column.name for column in rows if column.name in read.columns and _is_same(column, read[column.name])}
    made = to_kind(rows.drop(untouched), kind)
    if kind == "pandas":
        return _like_pandas(made, given if places is None else given.iloc[places.to_numpy()], rows.columns)
    taken = given if places is None else given.take(places.to_arrow())
    return _table({name: taken[name] if name in untouched else made[name] for name in rows.columns})


def _is_same(column: pl.Series, before: pl.Series) -> bool:
    """Return whether a column has the values of another, of whichever type."""
    if len(column) != len(before):
        return False
    try:
        return column.equals(before) or column.equals(before.cast(column.dtype))
    except pl.exceptions.PolarsError:
        return False


def _like_pandas(made: pd.DataFrame, given: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return columns of a frame that was made and else of the one that was given, with the index of the latter."""
    import pandas as pd

    if len(made) != len(given) and made.shape[1]:
        return made
    made.index = given.index
    columns = {name: made[name] if name in made else given[name] for name in names if name in made or name in given}
    return pd.DataFrame(columns, index=given.index)


def _table(columns: Mapping[str, object]) -> AnyFrame:
    import pyarrow as pa

    return pa.table(dict(columns))


def columns_of(frame: AnyFrame, names: Sequence[str]) -> AnyFrame:
    """Return some columns of a frame."""
    return frame[list(names)] if kind_of_frame(frame) == "pandas" else frame.select(list(names))


def column_of(frame: AnyFrame, name: str) -> Any:
    """Return a column of a frame; one of pandas without a null has a type of numpy where a model wants one."""
    column = frame[name]
    if kind_of_frame(frame) == "pandas" and str(column.dtype) in _NULLABLE and not column.hasnans:
        return column.astype(column.dtype.numpy_dtype)
    return column


def numbers_as_float32(frame: AnyFrame) -> AnyFrame:
    """Return a frame whose numbers are float32; one of pandas has NaN there in place of null."""
    kind = kind_of_frame(frame)
    if kind == "polars":
        return frame.with_columns(selectors.numeric().cast(pl.Float32))
    if kind == "arrow":
        import pyarrow as pa

        of_numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        fields = [
            f.with_type(pa.float32()) if any(is_one(f.type) for is_one in of_numbers) else f for f in frame.schema
        ]
        return frame.cast(pa.schema(fields, metadata=frame.schema.metadata), safe=False)
    numbers = [name for name, dtype in frame.dtypes.items() if dtype.kind in "iuf"]
    return frame.astype(dict.fromkeys(numbers, "float32"))


def with_categories(frame: AnyFrame, lists: Mapping[str, Sequence[str] | None]) -> AnyFrame:
    """Return a frame of pandas with the categories of a model as such; of another kind the frame as it is.

    None in place of a list: the values of these rows, sorted, as a trainer takes them.
    """
    if not lists or kind_of_frame(frame) != "pandas":
        return frame
    import pandas as pd

    made = {}
    for name, known in lists.items():
        texts = category_texts(to_polars(frame[[name]], "the inputs")[name])
        values = category_values(texts) if known is None else list(known)
        codes = texts.replace_strict(values, range(len(values)), default=-1, return_dtype=pl.Int64).fill_null(-1)
        made[name] = pd.Categorical.from_codes(codes.to_numpy(), categories=values)
    return frame.assign(**made)


def labelled_rows(frame: AnyFrame, label: str) -> AnyFrame:
    """Return the rows of a frame that have a value in a column."""
    kind = kind_of_frame(frame)
    if kind == "pandas":
        return frame[frame[label].notna()]
    return frame.filter(frame[label].is_valid() if kind == "arrow" else pl.col(label).is_not_null())


def checked_kind(kind: str) -> FrameKind:
    """Return a kind of frame.

    Raises:
        UsageError: it is none.
    """
    kinds = get_args(FrameKind)
    if kind not in kinds:
        raise UsageError(f"no kind of frame {kind!r}", hint=did_you_mean(kind, kinds) or ", ".join(kinds))
    return cast("FrameKind", kind)


def is_several(value: object) -> bool:
    """Return whether a value is a column of values: a list, or what pandas, numpy, Polars and Arrow have for one.

    >>> is_several(["a"]), is_several(pl.Series([1])), is_several("a")
    (True, True, False)
    """
    if isinstance(value, list | tuple | range | pl.Series):
        return True
    return getattr(value, "ndim", None) == 1 or hasattr(value, "to_pylist")


def mapped_rows(entities: Mapping[str, object]) -> pl.DataFrame:
    """Return the keys of an entity as a frame of one row; of columns, a row for each item.

    Raises:
        UsageError: a value is none that a key can have, or columns are of several lengths.
    """
    columns = {name: _items(name, value) if is_several(value) else [value] for name, value in entities.items()}
    try:
        return pl.DataFrame(columns)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        lengths = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        hint = f"as many values of each: {lengths}" if len({*map(len, columns.values())}) > 1 else _first_line(error)
        raise UsageError(f"no entities can be made of {', '.join(map(str, columns))}", hint=hint) from error


def _items(name: str, value: Any) -> Sequence[object] | pl.Series:
    """Return a column of values as a list or as what Polars reads: pandas and Arrow by their frames."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        import pandas as pd

        return to_polars(pd.DataFrame({name: pd.Series(value).array}), f"entities: key {name}")[name]
    if module == "pyarrow":
        return to_polars(_table({name: value}), f"entities: key {name}")[name]
    return value if isinstance(value, pl.Series) or module == "numpy" else list(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
