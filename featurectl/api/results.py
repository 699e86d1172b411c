"""What a method of a project returns where it is many: a sequence that reads well, and is a frame when it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Generic, Self, TypeVar, overload

import polars as pl

from featurectl.api.frames import AnyFrame, FrameKind, to_kind
from featurectl.api.items import as_item, value_text
from featurectl.api.wording import SpeaksPython
from featurectl.core.errors import FeaturectlError
from featurectl.core.parts_failed import PartsFailedError
from featurectl.core.units import counted
from featurectl.render.page import PageTable, page_html
from featurectl.render.visible import in_one_line, visible

T = TypeVar("T")
_SHOWN = 100  # rows that are drawn
_LONGEST = 60  # characters of a cell
_WIDE = 400  # columns of a terminal that a table may take: it scrolls rather than cutting words
_NOTHING = {None, "", "{}"}  # cells that say nothing


_PLAIN = (bool, int, float, str, datetime, date, Decimal)


class ResultTable(SpeaksPython, Sequence[T], Generic[T]):
    """Objects in their order; `to_polars`, `to_pandas` and `to_arrow` give a row for each.

    In a notebook it is drawn as a table. `text` is what the command prints of them, which is what it reads as; without
    it, it reads as a frame of Polars, or of pandas where `frames` says so. `head` is a sentence on all of them. An item
    has its attributes and the columns.
    """

    def __init__(
        self,
        items: Sequence[T],
        row: Callable[[T], Mapping[str, object]],
        text: Callable[[Sequence[T]], str] | None = None,
        *,
        head: str = "",
        frames: FrameKind = "polars",
    ) -> None:
        self._items = tuple(as_item(item, row) for item in items)
        self._row, self._text, self._head, self._frames = row, text, head, frames

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> ResultTable[T]: ...
    def __getitem__(self, place: int | slice) -> T | ResultTable[T]:
        if isinstance(place, slice):
            return ResultTable(self._items[place], self._row, self._text, frames=self._frames)
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResultTable) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def to_polars(self) -> pl.DataFrame:
        """Return a Polars frame; what is a list or a mapping stands in it as JSON."""
        rows = [{name: _cell(value) for name, value in self._row(item).items()} for item in self._items]
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_pandas(self) -> AnyFrame:
        """Return a pandas frame.

        Raises:
            UsageError: pandas or PyArrow is not installed.
        """
        return to_kind(self.to_polars(), "pandas")

    def to_arrow(self) -> AnyFrame:
        """Return a table of PyArrow.

        Raises:
            UsageError: PyArrow is not installed.
        """
        return to_kind(self.to_polars(), "arrow")

    def unless_failed(self, failures: Sequence[tuple[str, FeaturectlError]], parts: str) -> Self:
        """Return this table where no part failed.

        Raises:
            PartsFailedError: some did; it holds the table.
        """
        if failures:
            raise PartsFailedError(self, failures, parts)
        return self

    def __repr__(self) -> str:
        if self._text is not None and self:
            return visible(self._in_python(self._text(self._items)))
        return "\n".join([*self._sentences(), *([_frame_text(self._drawn(), self._frames)] if self else [])])

    def _sentences(self, more: str = "") -> list[str]:
        """Return what is said of all rows; `more` of their number."""
        number = [counted(len(self), "row") + more] if self else [] if self._head else ["no rows"]
        return [visible(self._head), *number] if self._head else number

    def _drawn(self, row: Callable[[T], Mapping[str, object]] | None = None) -> pl.DataFrame:
        """Return the frame as it is shown: without columns in which no row says anything, and nothing steers.

        `row`: of these cells.
        """
        frame = (self if row is None else ResultTable(self._items, row)).to_polars()
        said = frame.select(column.name for column in frame if not set(column.to_list()) <= _NOTHING)
        texts = cache(lambda: tuple(self._users_texts()))  # once for all cells

        def cell(text: str | None) -> str | None:
            return None if text is None else in_one_line(self._in_python(text, theirs=texts))

        return said.with_columns(
            pl.Series(column.name, map(cell, column)) for column in said if column.dtype == pl.String
        )

    def _repr_html_(self) -> str:
        if not self:
            return page_html([self._sentences()])
        frame = self._drawn()
        rows = [[_text(value) for value in row] for row in frame.head(_SHOWN).rows()]
        first = f", the first {_SHOWN} of them" if len(self) > _SHOWN else ""
        return page_html([[*self._sentences(first), PageTable(head=frame.columns, rows=rows)]])


def _frame_text(frame: pl.DataFrame, kind: FrameKind) -> str:
    """Return a frame as a text; of Arrow, whose tables read as columns, as Polars has it."""
    if kind == "pandas":
        return str(to_kind(frame, kind).to_string(max_rows=_SHOWN, max_colwidth=_LONGEST, na_rep=""))
    with pl.Config(
        tbl_rows=_SHOWN, tbl_cols=-1, tbl_hide_dataframe_shape=True, fmt_str_lengths=_LONGEST, tbl_width_chars=_WIDE
    ):
        return str(frame)


def _text(value: object) -> str:
    """Return a cell as a notebook shows it."""
    return str(value) if isinstance(value, Mapping | list | tuple) else value_text(value)


def _cell(value: object) -> Any:
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, default=str, ensure_ascii=False)
