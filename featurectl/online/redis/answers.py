"""Answers of a server, each of the type that Redis gives to its command; any other is of no Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import redis

from featurectl.core.units import from_us

# What the client raises over answers that no Redis gives: a list of two billion items, 10,000 lists in lists, a push
# message without a kind, a mapping by lists, MOVED to nowhere.
_NO_ANSWERS: Final = (MemoryError, RecursionError, ArithmeticError, LookupError, TypeError, ValueError)
_MOST_SHOWN: Final = 60
_VALUES: Final = frozenset([bytes, type(None)])
_NAMES: Final = frozenset({bytes})
_COUNT: Final = re.compile(rb"-?[0-9]{1,18}")


@contextmanager
def parsing() -> Iterator[None]:
    """Say of answers on which the client gives up that they are of no Redis: use it where they are read.

    Raises:
        redis.InvalidResponse: the client has given up.
    """
    try:
        yield
    except _NO_ANSWERS as error:
        if isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError):  # as it connects
            raise redis.ConnectionError(f"no host has such a name: {error}") from error
        raise redis.InvalidResponse(f"the client can't read a reply ({type(error).__name__})") from error
    except AttributeError as error:
        if error.name != "get":  # what the client looks for in the answer to HELLO
            raise
        raise redis.InvalidResponse(f"it answers HELLO with {repr(error.obj)[:_MOST_SHOWN]}") from error


def is_no_hash(answer: object) -> bool:
    """Return whether an answer says that a key holds another type than hashes."""
    return isinstance(answer, redis.ResponseError) and str(answer).startswith("WRONGTYPE")


def row_of(answer: object) -> bytes | None:
    """Return the answer of HGET for a row; of a key that is no hash no byte, which is a broken row of it."""
    return b"" if is_no_hash(answer) else read_value(answer)


def read_value(answer: object) -> bytes | None:
    """Return the answer of HGET, None where there is no such field.

    Raises:
        redis.InvalidResponse: it is another one, which no Redis gives; so do the functions below.
    """
    if answer is None or isinstance(answer, bytes):
        return answer
    raise _invalid("a value", answer)


def read_number(answer: object) -> int:
    """Return the answer of a command that counts, and of a script."""
    if type(answer) is int:
        return answer
    raise _invalid("a number", answer)


def read_names(answer: object) -> list[bytes]:
    """Return the answer of HKEYS."""
    if type(answer) is list and _NAMES.issuperset(map(type, answer)):
        return answer
    raise _invalid("names", answer)


def listed(answer: object, count: int) -> list[bytes | None]:
    """Return the answer of HMGET for so many fields, of a key that is no hash no byte for each."""
    if type(answer) is list and len(answer) == count and _VALUES.issuperset(map(type, answer)):
        return answer
    if is_no_hash(answer):
        return [b""] * count
    raise _invalid(f"{count} values", answer)


def read_page(answer: object) -> tuple[bytes, list[bytes]]:
    """Return the answer of SCAN: where to go on, and keys."""
    if isinstance(answer, list) and len(answer) == 2 and isinstance(answer[0], bytes):
        return answer[0], read_names(answer[1])
    raise _invalid("a page of keys", answer)


def one_item(answer: object) -> object:
    """Return what an answer that lists one item holds."""
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0]
    raise _invalid("one item", answer)


def instant_of_time(answer: object) -> datetime:
    """Return the instant of an answer to TIME."""
    parts = read_names(answer)
    try:
        seconds, microseconds = map(int, parts)
        return from_us(seconds * 1_000_000 + microseconds)
    except (ValueError, OverflowError) as error:
        raise _invalid("a time", answer) from error


def slot_ranges(answer: object) -> list[tuple[int, int, bytes, int]]:
    """Return the answer of CLUSTER SLOTS: first and last slot with host and port of the primary."""
    try:
        found = [(start, end, primary[0] or b"", primary[1]) for start, end, primary, *_ in _any(answer)]
    except (TypeError, ValueError, LookupError) as error:
        raise _invalid("slots", answer) from error
    if any([type(part) for part in entry] != [int, int, bytes, int] for entry in found):
        raise _invalid("slots", answer)
    return found


def count_of(text: bytes | None) -> int | None:
    """Return the number of entities that a counter says, 0 where there is none; None: another program has written it.

    >>> count_of(b"12"), count_of(None), count_of(b"abc")
    (12, 0, None)
    """
    if text is None:
        return 0
    return int(text) if _COUNT.fullmatch(text) else None


def _any(answer: object) -> Any:
    return answer


def _invalid(wanted: str, answer: object) -> redis.InvalidResponse:
    return redis.InvalidResponse(f"{wanted} was asked for, and {type(answer).__name__} is the answer")
