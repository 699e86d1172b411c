"""Key values as a caller gives them become packed keys, in the types that the entity declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from featurectl.core.dtypes import BOOL, DATE, INT64, STRING
from featurectl.core.nearest import nearest
from featurectl.online.base import KeyValue
from featurectl.online.client.coerce import typed_column
from featurectl.online.codec import pack_key

_WHOLE: Final = [b"i%d:" % digits for digits in range(21)]  # what is before an integer, by its length as text
_LEAST: Final = -(2**63)  # of 64 bits
_EPOCH: Final = date(1970, 1, 1)


def missing_key_hint(name: str, types: Mapping[str, str], given: Iterable[str]) -> str:
    """Return which keys there are, and which of those given was probably meant to be one that is missing.

    >>> missing_key_hint("pizza", {"pizza": "string"}, ["piza"])
    'did you mean "pizza" by "piza"? keys: pizza'
    """
    near = nearest(name, [other for other in given if other not in types])
    meant = f'did you mean "{name}" by "{near}"? ' if near else ""
    return f"{meant}keys: {', '.join(types)}"


def pack_columns(types: Mapping[str, str], columns: Mapping[str, Sequence[object]], count: int) -> list[bytes | None]:
    """Return the packed key of each of `count` rows, None where a part of it is null.

    `columns` holds the values by the names in `types`: texts, integers, booleans, dates or their text.

    Raises:
        DataError: FC504, a value does not fit its type; it names the column and the first such row.
    """
    if not types:
        return [b""] * count
    if count == len(types) == 1 and (key := _whole_key(types, columns)) is not None:
        return [key]
    whole = [typed_keys(columns[name], dtype, name) for name, dtype in types.items()]
    try:
        return _packed(whole, tuple(types.values()))
    except UnicodeEncodeError:  # texts that are none are seen at once, and reported by the slower way
        for name, dtype in types.items():
            typed_column(columns[name], dtype, name, what="key")
        raise


def _whole_key(types: Mapping[str, str], columns: Mapping[str, Sequence[object]]) -> bytes | None:
    """Return the packed key of a single row whose key is an integer, which most are; None of any other."""
    [(name, dtype)] = types.items()
    value: Any = columns[name][0] if len(columns[name]) == 1 else None
    is_whole = dtype == INT64 and type(value) is int and _LEAST <= value < -_LEAST
    return _WHOLE[len(text := b"%d" % value)] + text if is_whole else None


def _packed(whole: Sequence[Sequence[KeyValue | None]], dtypes: tuple[str, ...]) -> list[bytes | None]:
    """Return the packed keys of rows whose key values these columns hold."""
    if len(whole) == 1:
        column: Sequence[Any] = whole[0]
        [dtype] = dtypes
        if dtype == INT64:  # as most are: without a call for each
            return [None if value is None else _WHOLE[len(text := b"%d" % value)] + text for value in column]
        pack = _PACKERS[dtype]
        return [None if value is None else pack(value) for value in column]
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
    types = {type(value) for value in values}
    if types <= {_PLAIN[dtype], type(None)} and (dtype in (STRING, BOOL) or (dtype == INT64 and _fit(values))):
        return list(values)  # type: ignore[arg-type]  # their types were looked at
    typed = typed_column(values, dtype, name, what="key")
    if dtype == DATE:
        return [None if value is None else (value - _EPOCH).days for value in typed]  # type: ignore[operator]  # dates, as the type says
    return typed  # type: ignore[return-value]  # values of that type


def _fit(values: Sequence[object]) -> bool:
    """Return whether integers, and nulls among them, are of 64 bits."""
    whole = [value for value in values if isinstance(value, int)]
    return not whole or (min(whole) >= _LEAST and max(whole) < -_LEAST)


def _pack_text(value: object) -> bytes:
    encoded = str(value).encode()
    return b"s%d:%b" % (len(encoded), encoded)


_PLAIN: Final[Mapping[str, type]] = {STRING: str, INT64: int, BOOL: bool, DATE: date}
_PACKERS: Final[Mapping[str, Callable[[object], bytes]]] = {
    STRING: _pack_text,
    BOOL: lambda value: pack_key([bool(value)], (BOOL,)),
    DATE: lambda value: pack_key([int(str(value))], (DATE,)),
}
