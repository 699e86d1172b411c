"""Frames as people have them: pandas, Polars and Arrow in, and the same kind out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args

import polars as pl

from featurectl.core.errors import DataError, UsageError
from featurectl.core.nearest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

FrameT = TypeVar("FrameT")  # a frame of pandas, Polars or Arrow, as it was given
FrameKind = Literal["polars", "pandas", "arrow"]
AnyFrame = Any  # a frame of one of these kinds: pandas and Arrow are loaded by who uses them alone
_NEEDS = "pip install 'featurectl[pandas]'"


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
    return _read(what, lambda: _of_pandas(frame) if kind == "pandas" else pl.DataFrame(pl.from_arrow(frame)))


def _of_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    flat = frame.reset_index(level=named) if named else frame
    if wrong := [name for name in flat.columns if not isinstance(name, str)]:
        raise UsageError(f"a column of the frame is named {wrong[0]!r}, which is no text", hint="rename the columns")
    return pl.from_pandas(flat, nan_to_null=True)


def _read(what: str, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    try:
        return read()
    except ImportError as error:
        raise UsageError(f"{what}: {error.name or 'pyarrow'} is not installed", hint=_NEEDS) from error
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # of PyArrow: its errors are of many kinds
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{what} can't be read: {message}", code="FC504") from error


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
    """Return a pandas frame; a column of truths with nulls is of the type `boolean`, which has them, and no object."""
    made = rows.to_pandas()
    with_nulls = [name for name, dtype in rows.schema.items() if dtype == pl.Boolean and rows[name].null_count()]
    return made.astype(dict.fromkeys(with_nulls, "boolean")) if with_nulls else made


def like(rows: pl.DataFrame, given: AnyFrame) -> AnyFrame:
    """Return rows as the kind of frame that was given, row for row: of pandas they have its index.

    What is a named level of that index is no column beside it.
    """
    kind = kind_of_frame(given) or "polars"
    made = to_kind(rows, kind)
    if kind == "pandas" and len(made) == len(given):
        named = [name for name in given.index.names if name is not None and name not in given.columns]
        made = made.drop(columns=[name for name in named if name in made.columns])
        made.index = given.index
    return made


def checked_kind(kind: str) -> FrameKind:
    """Return a kind of frame.

    Raises:
        UsageError: it is none.
    """
    kinds = get_args(FrameKind)
    if kind not in kinds:
        raise UsageError(f"no kind of frame {kind!r}", hint=did_you_mean(kind, kinds) or ", ".join(kinds))
    return cast("FrameKind", kind)


def mapped_rows(entities: Mapping[str, object]) -> pl.DataFrame:
    """Return the keys of an entity as a frame of one row; of lists, a row for each item.

    Raises:
        UsageError: a value is none that a key can have, or lists are of several lengths.
    """
    columns = {name: list(value) if isinstance(value, list | tuple) else [value] for name, value in entities.items()}
    try:
        return pl.DataFrame(columns)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"no entities can be made of {dict(entities)}", hint=str(error).splitlines()[0]) from error
