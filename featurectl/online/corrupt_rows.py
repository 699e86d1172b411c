"""A stored row that is not what its schema says: whose it is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts, list_item
from featurectl.core.errors import StoreError
from featurectl.online.base import OnlineView

BROKEN: Final = "FC610"
NO_ROW: Final = "another program has written what is in its place"
_STORED_AS: Final[Mapping[str, type]] = {
    STRING: str, INT64: int, FLOAT64: float, BOOL: bool, TIMESTAMP: int, DATE: int
}  # fmt: skip
_WORDS: Final[Mapping[type, str]] = {
    str: "text", int: "an integer", float: "a float", bool: "a boolean", list: "a list", dict: "a map", bytes: "bytes",
}  # fmt: skip
_SHOWN: Final = 60
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class RowPlace(NamedTuple):
    """Whose row it is: of a view version (`spend@1`), under a packed key, whose parts have these names."""

    field: str
    key: bytes
    names: Sequence[str]


def row_place(view: OnlineView, key: bytes) -> RowPlace:
    """Return the place of a row of a view version."""
    return RowPlace(f"{view.view}@{view.version}", key, [*view.keys])


class BrokenRowError(StoreError):
    """A row of the online store that is none, or whose values are not of the types that its schema says."""

    def __init__(self, what: str, place: RowPlace | None = None) -> None:
        whose = "" if place is None else f"{place.field} {shown_key(place.key, place.names)}: "
        again = "push --full" if place is None else f"push --full {place.field.partition('@')[0]}"
        hint = f"featurectl {again} sends it again; does another program write its keys?"
        super().__init__(f"the online store holds a broken row: {whose}{what}", code=BROKEN, hint=hint)
        self.what = what


class BrokenRecordError(StoreError):
    """The record of a view version's last push (`spend@1`) is none."""

    def __init__(self, field: str) -> None:
        hint = f"featurectl push --full {field.partition('@')[0]} writes it again; does another program write its keys?"
        super().__init__(f"the online store holds a broken record of the last push of {field}", code=BROKEN, hint=hint)


class BrokenCountError(StoreError):
    """The counter of the entities of a view version (`spend@1`) holds no number."""

    def __init__(self, field: str) -> None:
        hint = f"featurectl push --full {field.partition('@')[0]} counts again; does another program write its keys?"
        super().__init__(f"the online store holds a broken count of the entities of {field}", code=BROKEN, hint=hint)


def stored_as(dtype: str) -> type:
    """Return the type in which a value of a type of the language comes out of MessagePack."""
    if list_item(dtype):
        return list
    return str if decimal_parts(dtype) else _STORED_AS[dtype]


def checked_values(values: object, types: Mapping[str, str]) -> list[object]:
    """Return what a row holds, a value for each feature, null or of its type.

    Raises:
        BrokenRowError: it holds something else.
    """
    if not isinstance(values, list):
        raise BrokenRowError(f"it is {_word(values)}, not a list of values")
    if len(values) != len(types):
        raise BrokenRowError(f"it has {len(values)} of {len(types)} values")
    for (name, dtype), value in zip(types.items(), values, strict=True):
        if value is not None:
            _check(name, dtype, value)
    return values


def _check(name: str, dtype: str, value: object) -> None:
    if type(value) is not stored_as(dtype):
        raise BrokenRowError(f"{name} is {_word(value)}, not {dtype}")
    if dtype == INT64 and not -(1 << 63) <= int(str(value)) < 1 << 63:
        raise BrokenRowError(f"{name} is an integer of more than 64 bits, not {dtype}")
    item = list_item(dtype)
    if item is not None and isinstance(value, list):
        for one in value:
            if one is not None:
                _check(f"an item of {name}", item, one)


def _word(value: object) -> str:
    return "null" if value is None else _WORDS.get(type(value), type(value).__name__)


def shown_key(key: bytes, names: Sequence[str]) -> str:
    """Return a packed key as a person reads it.

    >>> shown_key(b"s3:EWRi1:7", ["origin", "hour"])
    'origin=EWR hour=7'
    """
    try:
        parts = [_part(kind, text) for kind, text in _parts(key)]
    except (ValueError, IndexError):
        return key.decode(errors="backslashreplace")[:_SHOWN]
    named = [f"{name}={text[:_SHOWN]}" for name, text in zip(names, parts, strict=False)]
    return " ".join(named) or "of the view's only entity"


def _parts(key: bytes) -> Iterator[tuple[str, str]]:
    while key:
        head, _, rest = key.partition(b":")
        size = int(head[1:])
        if not 0 <= size <= len(rest):
            raise ValueError(key)
        yield chr(head[0]), rest[:size].decode()
        key = rest[size:]


def _part(kind: str, text: str) -> str:
    if kind == "d":
        return date.fromordinal(int(text) + _EPOCH_DAY).isoformat()
    return {"0": "false", "1": "true"}[text] if kind == "b" else text
