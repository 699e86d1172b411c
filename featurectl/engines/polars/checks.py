"""Checks of data, counted while rows go by; only what a check needs of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from featurectl.core.dtypes import DATE, TIMESTAMP
from featurectl.core.errors import DataError
from featurectl.core.frames.types import language_dtype
from featurectl.core.units import counted, parse_instant
from featurectl.engines.base import CheckResult
from featurectl.language.definitions.source import Check
from featurectl.language.resolve.check_query import query_problem
from featurectl.language.syntax.constants import fit_constant
from featurectl.pit.arrays import Ints
from featurectl.pit.hashing import hash_rows

_QUERY_ROWS: Final = "rows"  # what a query calls the rows, beside the name of the source or view


@dataclass(slots=True, kw_only=True)
class Checker:
    """The checks of one source or view. `folder` makes the folder for rows that a query reads; None: in memory."""

    kind: str  # "source" or "feature view"
    name: str
    checks: Sequence[Check]
    folder: Callable[[], Path] | None = None
    _rows: int = 0
    _failed: dict[int, int] = field(default_factory=dict)
    _first: dict[int, object] = field(default_factory=dict)
    _hashes: dict[int, list[Ints]] = field(default_factory=dict)
    _kept: list[pl.LazyFrame] = field(default_factory=list)
    _home: Path | None = None

    def see(self, frame: pl.DataFrame) -> None:
        """Take note of rows; columns of other names than those of the checks don't matter.

        Raises:
            DataError: FC503 a column is missing, FC504 a value or pattern does not fit its type.
        """
        self._rows += frame.height
        if not self.checks:
            return
        own = frame.select(name for name in frame.columns if not name.startswith("\x00"))
        for number, check in enumerate(self.checks):
            if check.column is not None:
                self._see_column(number, check, own)
        if any(check.kind == "sql" for check in self.checks):
            self._keep(own)

    def results(self) -> tuple[CheckResult, ...]:
        """Return what came of every check, in the order of the file."""
        return tuple(self._result(number, check) for number, check in enumerate(self.checks))

    def _see_column(self, number: int, check: Check, frame: pl.DataFrame) -> None:
        assert check.column is not None
        if check.column not in frame.columns:
            raise DataError(f"{self._of}: no column {check.column!r} for the check {check.label!r}", code="FC503")
        column = frame[check.column]
        if check.kind in ("not_null", "max_null_rate"):
            self._failed[number] = self._failed.get(number, 0) + column.null_count()
            return
        values = column.drop_nulls()
        if check.kind == "unique":
            self._hashes.setdefault(number, []).append(hash_rows(values.to_frame()).to_numpy())
            return
        wrong = values.filter(~self._right(check, values))
        self._failed[number] = self._failed.get(number, 0) + len(wrong)
        if len(wrong):
            self._first.setdefault(number, wrong[0])

    def _right(self, check: Check, values: pl.Series) -> pl.Series:
        try:
            if check.kind == "between":
                if not values.dtype.is_numeric():
                    raise DataError(f"{self._of}: the check {check.label!r} does not fit: {values.dtype}", code="FC504")
                return (values.cast(pl.Float64) if values.dtype.is_decimal() else values).is_between(
                    check.low, check.high
                )
            if check.kind == "in":
                return values.is_in(self._listed(check, values.dtype).implode())
            return values.str.contains(f"^(?:{check.text})$")
        except PolarsError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self._of}: the check {check.label!r} does not fit: {reason}", code="FC504") from error

    def _listed(self, check: Check, dtype: pl.DataType) -> pl.Series:
        """Return the values of a list in the type of a column; files keep times and dates as texts."""
        want = language_dtype(dtype)
        fitted = [None if want is None else fit_constant(value, want) for value in check.values]
        if None in fitted:
            wrong = check.values[fitted.index(None)]
            raise DataError(
                f"{self._of}: the check {check.label!r} does not fit: {wrong!r} is no {dtype}", code="FC504"
            )
        if want == TIMESTAMP:
            return pl.Series([parse_instant(str(value)) for value in fitted]).cast(dtype)
        if want == DATE:
            return pl.Series(fitted, dtype=pl.String).str.to_date("%Y-%m-%d")
        if dtype.is_decimal():
            return pl.Series([Decimal(repr(value)) for value in fitted], dtype=dtype)
        return pl.Series(fitted).cast(dtype, strict=False)  # a number beyond a narrow column is none of its values

    @property
    def _of(self) -> str:
        return f"{self.kind} {self.name}"

    def _keep(self, frame: pl.DataFrame) -> None:
        """Keep rows for a query, which may look at all of them together."""
        if self.folder is None:
            self._kept.append(frame.lazy())
            return
        self._home = self._home or self.folder()
        path = self._home / f"{len(self._kept)}.parquet"
        frame.write_parquet(path, compression="lz4", statistics=False)
        self._kept.append(pl.scan_parquet(path, glob=False))

    def _result(self, number: int, check: Check) -> CheckResult:
        passed, failed, found = self._judged(number, check)
        return CheckResult(
            of=self._of,
            label=check.label,
            severity=check.severity,
            passed=passed,
            rows=self._rows,
            failed=failed,
            found=found,
        )

    def _judged(self, number: int, check: Check) -> tuple[bool, int, str]:
        """Return whether it passed, for how many rows it failed, and what was found."""
        failed, of_rows = self._failed.get(number, 0), f"of {counted(self._rows, 'row')}"
        match check.kind:
            case "row_count":
                assert check.low is not None
                right = check.low <= self._rows and (check.high is None or self._rows <= check.high)
                return right, 0, f"{counted(self._rows, 'row')}"
            case "max_null_rate":
                assert check.share is not None
                share = failed / self._rows if self._rows else 0.0
                return share <= check.share, failed, f"{failed:,} {of_rows} ({share:.2%}) are null"
            case "not_null":
                return failed == 0, failed, f"{failed:,} {of_rows} are null"
            case "unique":
                failed = _repeated(self._hashes.get(number, []))
                return failed == 0, failed, f"{failed:,} {of_rows} repeat a value"
            case "sql":
                failed, first = self._query(check)
                return failed == 0, failed, f"the query finds {counted(failed, 'row')}, the first is {first}"
            case _:
                return failed == 0, failed, f"{failed:,} {of_rows}, the first is {self._first.get(number)!r}"

    def _query(self, check: Check) -> tuple[int, str]:
        if not self._kept:
            return 0, ""
        rows = pl.concat(self._kept)
        if problem := query_problem(check.text):  # of a registry of before
            raise DataError(f"{self._of}: the query of a check can't be run: {problem}", code="FC519")
        try:
            with pl.SQLContext({self.name: rows, _QUERY_ROWS: rows}) as context:
                found = context.execute(check.text, eager=False).collect(engine="streaming")
        except PolarsError as error:
            reason = str(error).splitlines()[0]
            hint = f"the rows are called {self.name} or {_QUERY_ROWS}; columns: {', '.join(rows.collect_schema())}"
            raise DataError(
                f"{self._of}: the query of a check can't be run: {reason}", code="FC519", hint=hint
            ) from error
        return found.height, str(found.row(0, named=True)) if found.height else ""


def _repeated(hashes: list[Ints]) -> int:
    """Return how many values are there again; 64 bits of hash tell them apart."""
    every = np.sort(np.concatenate(hashes)) if hashes else np.empty(0, np.int64)
    return int(np.count_nonzero(every[1:] == every[:-1]))
