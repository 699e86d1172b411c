"""The replies to a transaction of HSETs, counted as they come, without making a value of each."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import hiredis
import redis

from featurectl.online.redis.answers import parsing

_NUMBERS: Final = re.compile(rb"(?::[01]\r\n)*(?::(?:[01]\r?)?)?")
_ADDED: Final = b":1\r\n"


def read_added(connection: redis.Connection, rows: int) -> int | None:
    """Return how many of so many HSETs in a transaction added a field, where all were carried out and none refused.

    None: another thing was replied, or the client's parser is none that is known; every reply is still to be read.

    Raises:
        redis.RedisError: the connection fails.
    """
    parser: Any = getattr(connection, "_parser", None)
    reader = getattr(parser, "_reader", None)
    if not isinstance(reader, hiredis.Reader) or reader.has_data():
        return None
    parser._reader = counter = _ReplyCounter(reader, rows)  # noqa: SLF001
    added: Any = None
    try:
        with parsing():
            added = connection.read_response()
    finally:
        if parser._reader is counter:  # noqa: SLF001
            parser._reader = reader  # noqa: SLF001
    return added if type(added) is int else None


class _ReplyCounter:
    """Stands in for a reader of the client's parser while the replies to a transaction come.

    What is not to be expected, and what comes behind those replies, is left to the reader.
    """

    def __init__(self, reader: hiredis.Reader, rows: int) -> None:
        self._reader = reader
        self._unfinished = reader.gets()
        self._data = bytearray()
        self._head = _head(rows)
        self._end = len(self._head) + rows * len(_ADDED)

    def feed(self, buffer: bytearray, start: int, length: int) -> None:
        """Take what has come."""
        self._data += memoryview(buffer)[start : start + length]

    def gets(self, *_: object) -> object:
        """Return how many were added, None where something else is replied; what the reader does where more is due."""
        data, head, added = self._data, self._head, None
        if head.startswith(data[: len(head)]) and _NUMBERS.fullmatch(data, len(head), self._end):
            if len(data) < self._end:
                return self._unfinished
            added = data.count(_ADDED, len(head), self._end)
            del data[: self._end]
        self._reader.feed(bytes(data))
        return added


@lru_cache(maxsize=8)
def _head(rows: int) -> bytes:
    """Return what is replied before the numbers of so many HSETs in a transaction."""
    return b"+OK\r\n" + b"+QUEUED\r\n" * rows + b"*%d\r\n" % rows
