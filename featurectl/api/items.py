"""One of many results: the object itself, which reads as its attributes, a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from featurectl.api.pages import ReadsAsPage, as_page
from featurectl.core.errors import FeaturectlError
from featurectl.core.units import counted, format_age, format_duration, format_instant
from featurectl.render.page import Page, PageTable
from featurectl.render.screen import cut_text

T = TypeVar("T")
_LONGEST: Final = 200  # columns of a value, beyond which it is cut


class ReadsAsItem(ReadsAsPage):
    """Something that reads as its attributes and those of its parts, by their names; what says nothing is left out."""

    __slots__ = ()
    if TYPE_CHECKING:
        _row_of_table: Callable[[Any], Mapping[str, object]]

    def __getattr__(self, name: str) -> Any:
        """Return what a part of it calls so, or a column of its table: `action` of the column is `made.action`."""
        parts = [] if name.startswith("_") else [getattr(self, each.name) for each in _fields(self)]
        for part in parts:
            if is_dataclass(part) and hasattr(part, name):
                return getattr(part, name)
        columns = self._row_of_table(self) if parts else {}
        if name not in columns:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        return columns[name]

    def _page(self) -> Page:
        return [[PageTable(rows=[[name, cut_text(text, _LONGEST)] for name, text in _attributes(self) if text])]]

    def __reduce__(self) -> tuple[object, ...]:
        kind = type(self).__bases__[1]
        values = {each.name: getattr(self, each.name) for each in _fields(self)}
        return _restored, (kind, values, dict(self._row_of_table(self)))


def as_item(found: T, row: Callable[[T], Mapping[str, object]]) -> T:
    """Return an object as one that reads by its attributes, and has the columns of its `row` besides.

    What is no dataclass, or reads as a page, is returned as it is.
    """
    if not is_dataclass(found) or isinstance(found, (type, ReadsAsPage)):
        return found
    item = as_page(_item_kind(type(found)), found)
    object.__setattr__(item, "_row_of_table", row)  # it is frozen
    return cast("T", item)


@cache
def _item_kind(kind: type) -> Any:  # a class of both: of it are items of tables alone
    own = {"__slots__": ("_row_of_table",), "__module__": __name__, "__doc__": kind.__doc__}
    return type(kind.__name__, (ReadsAsItem, kind), own)


def _restored(kind: type[T], values: Mapping[str, object], columns: Mapping[str, object]) -> T:
    return as_item(kind(**values), lambda _: columns)


def _fields(found: object) -> tuple[Any, ...]:
    return fields(found) if is_dataclass(found) else ()


def _attributes(found: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and texts of attributes; those of a part are named behind a point, as they are reached."""
    for each in _fields(found):
        value, name = getattr(found, each.name), f"{prefix}{each.name}"
        if is_dataclass(value) and not isinstance(value, type):
            yield from _attributes(value, f"{name}.")
        elif isinstance(value, int) and name.endswith("_us"):
            is_declared = name.endswith("_after_us")
            yield name, f"{value} ({format_duration(value) if is_declared else format_age(value)})"
        else:
            yield name, value_text(value)


def value_text(value: object) -> str:
    """Return a value as it is read; "" where it says nothing."""
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}"
        case datetime():
            return format_instant(value)
        case FeaturectlError():
            return value.message
        case Mapping():
            return ", ".join(f"{key} {value_text(item)}" for key, item in value.items())
        case list() | tuple() if any(is_dataclass(item) for item in value):
            return counted(len(value), "item")
        case list() | tuple():
            return ", ".join(value_text(item) for item in value)
        case _:
            return str(value)
