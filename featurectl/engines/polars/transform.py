"""The Python functions of a repository: run from the text that is kept of them, their errors and results checked."""

from __future__ import annotations

import hashlib
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import Final

import polars as pl

from featurectl.core.dtypes import FLOAT64, INT64, TIMESTAMP, decimal_parts
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import language_dtype, polars_dtype, widen_column
from featurectl.core.nearest import did_you_mean
from featurectl.core.units import counted
from featurectl.engines.row_keys import LONG_KEY, key_fits
from featurectl.language.definitions.view import FeatureView, Transform
from featurectl.language.resolve.transformed import result_columns
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_PACKAGE: Final = "featurectl_transforms"  # the modules of transforms lie below it; no file of that name is there
_FAILS, _RETURNS = "FC521", "FC522"


def run_transform(view: FeatureView, given: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """Return what the view's function makes of a frame for each of its sources: the declared columns in their types.

    Anything that it prints goes to stderr. Other columns that it returns are left out.

    Raises:
        DataError: FC521 it fails, with the file, the line and its message; FC522 it returns something else: no frame,
            a column too few or of another type, a null key or time, or a key that is too long for a store.
    """
    transform = view.transform
    assert transform is not None, f"{view.name} has no transform"
    with _blaming(transform), redirect_stdout(sys.stderr):
        returned = _function(transform)(*given)
        frame = returned.collect(engine="streaming") if isinstance(returned, pl.LazyFrame) else returned
    if not isinstance(frame, pl.DataFrame):
        raise _refused(transform, f"returned {type(frame).__name__}", "it must return a LazyFrame or a DataFrame")
    return _checked(frame, view, transform)


def _function(transform: Transform) -> Callable[..., object]:
    """Return the function out of a module of its own, made from the text that the definition holds."""
    digest = hashlib.sha256(transform.text.encode()).hexdigest()[:12]
    stem = transform.path.rpartition("/")[2].removesuffix(".py")
    module = ModuleType(f"{_PACKAGE}.{stem}_{digest}")
    module.__file__ = transform.path
    sys.modules[module.__name__] = module  # where dataclasses and pickles look for it
    lines = transform.text.splitlines(keepends=True)
    linecache.cache[transform.path] = (len(transform.text), None, lines, transform.path)  # of the text, not of the file
    exec(compile(transform.text, transform.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 (the registered code, which the user's repository names)
    found: Callable[..., object] = getattr(module, transform.function)
    return found


@contextmanager
def _blaming(transform: Transform) -> Iterator[None]:
    """Turn whatever a function raises, an exit too, into DataError FC521 with the place in its file."""
    try:
        yield
    except (Exception, SystemExit) as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == transform.path]
        line = own[-1].lineno if own else _definition_line(transform, error)
        text = str(error.msg) if isinstance(error, SyntaxError) else str(error)
        said = (text.strip().splitlines() or [""])[0]
        message = f"{transform.path}:{line}: {transform.function} failed: {type(error).__name__}"
        hint = "--debug shows the whole traceback"
        raise DataError(f"{message}: {said}" if said else message, code=_FAILS, hint=hint) from error


def _definition_line(transform: Transform, error: BaseException) -> int:
    """Return where the text can't be compiled, else where the function begins: its frame fails when it is computed."""
    if isinstance(error, SyntaxError) and error.filename == transform.path:
        return error.lineno or 1
    lines = transform.text.splitlines()
    begins = [n for n, line in enumerate(lines, 1) if line.startswith(f"def {transform.function}")]
    return begins[-1] if begins else 1


def _checked(frame: pl.DataFrame, view: FeatureView, transform: Transform) -> pl.DataFrame:
    """Return the declared columns of what was returned, in the declared types."""
    wanted = result_columns(view)
    for name in wanted:
        if name not in frame.columns:
            near = did_you_mean(name, frame.columns)
            raise _refused(transform, f'returned no column "{name}"', near or f"returned: {', '.join(frame.columns)}")
    made = pl.DataFrame([_fitted(frame[name], dtype, transform) for name, dtype in wanted.items()])
    keys = [view.join.get(key, key) for key in view.keys]
    for name in (*keys, EVENT_TIME, AVAILABLE_AT):
        if nulls := made[name].null_count():
            message = f'returned {counted(nulls, "row")} of {made.height:,} without "{name}"'
            raise _refused(transform, message, "every row needs its keys and both clocks: leave it out, or fill it")
    fits = key_fits(keys, [*view.key_types.values()]) if keys else None
    if fits is not None and (too_long := made.filter(~fits).height):
        message = f"returned {counted(too_long, 'row')} of {made.height:,} with a {LONG_KEY}"
        raise _refused(transform, message, "stores take no longer one: leave these rows out")
    return made


def _fitted(column: pl.Series, want: str, transform: Transform) -> pl.Series:
    """Return a column in a type of the language, of which it must be already, but for its width."""
    have, target = language_dtype(column.dtype), polars_dtype(want)
    if column.dtype in (pl.Null, pl.List(pl.Null), target):
        return column.cast(target)
    clock_of_date = want == TIMESTAMP and column.dtype == pl.Date
    try:
        if clock_of_date or (want, have) == (FLOAT64, INT64) or (decimal_parts(want) and column.dtype.is_decimal()):
            return column.cast(INSTANT if clock_of_date else target)
        if have == want:
            made = column.to_frame().select(widen_column(pl.col(column.name), column.dtype, nan="keep"))[column.name]
            if made.null_count() == column.null_count():
                return made
            raise _refused(transform, f'returned a value of "{column.name}" that does not fit {want}', "")
    except pl.exceptions.PolarsError as error:
        message = f'returned a column "{column.name}" that does not fit {want}: {str(error).splitlines()[0]}'
        raise _refused(transform, message, "") from error
    message = f'returned "{column.name}" as {have or column.dtype}, and the view declares {want}'
    raise _refused(transform, message, f'cast it: pl.col("{column.name}").cast(...)')


def _refused(transform: Transform, what: str, hint: str) -> DataError:
    return DataError(f"{transform.path}: {transform.function} {what}", code=_RETURNS, hint=hint)
