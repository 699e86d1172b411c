"""JSON that others may have written: read whole, or refused by one kind of error, whatever it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TOO_MUCH: Final = "it is nested too deep, or too large"


class NewerDocumentError(ValueError):
    """A document has a field that this version does not know: a newer one has written it."""

    def __init__(self, kind: type, name: object) -> None:
        super().__init__(f"{kind.__name__} has no field {name!r}")
        self.name = str(name)


def of_fields(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a dataclass of the values of its fields, as a document has them.

    Raises:
        NewerDocumentError: there are fields that it does not have.
        TypeError: one is missing.
    """
    known = {each.name for each in fields(cast("Any", kind))}
    for name in values:
        if name not in known:
            raise NewerDocumentError(kind, name)
    return kind(**values)


def parse_json(content: str | bytes) -> Any:
    """Return what a text says in JSON.

    Raises:
        ValueError: it is no JSON, or JSON that is nested so deep, or is so large, that it can't be held.

    >>> parse_json('{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(content)
    except (RecursionError, MemoryError) as error:
        raise ValueError(_TOO_MUCH) from error


def parse_json_values(content: str) -> Iterator[Any]:
    r"""Yield the values of JSON that stand one behind another, in lines or not.

    Raises:
        ValueError: as `parse_json`; what stands before it is given.

    >>> list(parse_json_values('{"a": 1}{"a":\n2}\n'))
    [{'a': 1}, {'a': 2}]
    """
    decoder, place = json.JSONDecoder(strict=False), _space_end(content, 0)
    while place < len(content):
        try:
            value, end = decoder.raw_decode(content, place)
        except (RecursionError, MemoryError) as error:
            raise ValueError(_TOO_MUCH) from error
        yield value
        place = _space_end(content, end)


def _space_end(content: str, place: int) -> int:
    found = _SPACE.match(content, place)
    return found.end() if found else place
