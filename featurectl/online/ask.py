"""Key values as a caller gives them become packed keys, in the types that the entity declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from featurectl.dtypes import BOOL, DATE, INT64, STRING
from featurectl.errors import DataError
from featurectl.online.base import KeyValue
from featurectl.online.codec import pack_key
from featurectl.units import plural

_EPOCH: Final = date(1970, 1, 1)
_INT64: Final = range(-(2**63), 2**63)


def pack_columns(types: Mapping[str, str], columns: Mapping[str, Sequence[object]], count: int) -> list[bytes | None]:
    """Return the packed key of each of `count` rows, None where a part of it is null.

    `columns` holds the values by the names in `types`: texts, integers, booleans, dates or their text.

    Raises:
        DataError: FC504, a value does not fit its type; it names the column and the first such row.
    """
    if not types:
        return [b""] * count
    dtypes = tuple(types.values())
    whole = [typed_keys(columns[name], dtype, name) for name, dtype in types.items()]
    if len(whole) == 1:
        pack = _PACKERS[dtypes[0]]
        return [None if value is None else pack(value) for value in whole[0]]
    keys: list[bytes | None] = []
    for parts in zip(*whole, strict=True):
        known = [part for part in parts if part is not None]
        keys.append(pack_key(known, dtypes) if len(known) == len(parts) else None)
    return keys


def typed_keys(values: Sequence[object], dtype: str, name: str) -> list[KeyValue | None]:
    """Return key values in the form that is packed: a date as its days since 1970-01-01.

    Raises:
        DataError: FC504, one does not fit.
    """
    read = _READERS[dtype]
    typed: list[KeyValue | None] = []
    for row, value in enumerate(values):
        found = None if value is None else read(value)
        if found is None and value is not None:
            wrong = sum(v is not None and read(v) is None for v in values)
            raise DataError(
                f"key {name}: {value!r} is no {dtype} ({wrong} of {len(values)} {plural(len(values), 'row')}, "
                f"first at row {row})",
                code="FC504",
            )
        typed.append(found)
    return typed


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _INT64 else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _day(value: object) -> int | None:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return None
    return (value - _EPOCH).days if type(value) is date else None


def _pack_text(value: object) -> bytes:
    encoded = str(value).encode()
    return b"s%d:%b" % (len(encoded), encoded)


def _pack_whole(value: object) -> bytes:
    text = str(value).encode()
    return b"i%d:%b" % (len(text), text)


_READERS: Final[Mapping[str, Callable[[object], KeyValue | None]]] = {
    STRING: _text,
    INT64: _whole,
    BOOL: _truth,
    DATE: _day,
}
_PACKERS: Final[Mapping[str, Callable[[object], bytes]]] = {
    STRING: _pack_text,
    INT64: _pack_whole,
    BOOL: lambda value: pack_key([bool(value)], (BOOL,)),
    DATE: lambda value: pack_key([int(str(value))], (DATE,)),
}
