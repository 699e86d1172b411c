"""Replies to transactions of HSETs, counted by their bytes: whatever else is replied is read as ever."""

from __future__ import annotations

import hiredis
import pytest

from featurectl.online.redis.counted_replies import read_added

QUEUED = b"+OK\r\n" + b"+QUEUED\r\n" * 3
NEXT = b"+OK\r\n$2\r\nme\r\n"  # of the question behind it


class Replying:
    """A connection, and its parser, to which some bytes come a few at a time."""

    def __init__(self, replies, size):
        self._parser = self
        self._reader = hiredis.Reader(notEnoughData=...)
        self._pieces = [replies[begin : begin + size] for begin in range(0, len(replies), size)]

    @property
    def reader(self):
        return self._reader

    def read_response(self):
        while (reply := self._reader.gets()) is ...:
            buffer = bytearray(b"?" + self._pieces.pop(0) + b"?")
            self._reader.feed(buffer, 1, len(buffer) - 2)
        return reply

    def rest(self, count):
        return [self.read_response() for _ in range(count)]


@pytest.mark.parametrize("size", [1, 3, 40, 1_000])
@pytest.mark.parametrize(("numbers", "added"), [(b":1\r\n:0\r\n:1\r\n", 2), (b":0\r\n:0\r\n:0\r\n", 0)])
def test_what_was_added_is_counted_and_what_is_behind_is_left(size, numbers, added):
    connection = Replying(QUEUED + b"*3\r\n" + numbers + NEXT, size)
    assert (read_added(connection, 3), connection.rest(2)) == (added, [b"OK", b"me"])
    assert isinstance(connection.reader, hiredis.Reader)


@pytest.mark.parametrize("size", [1, 3, 40, 1_000])
@pytest.mark.parametrize(
    "replies",
    [
        QUEUED + b"*-1\r\n",
        QUEUED + b"*3\r\n:1\r\n-WRONGTYPE of a key\r\n:1\r\n",
        QUEUED + b"*3\r\n:1\r\n:12\r\n:1\r\n",
        QUEUED + b"*3\r\n:1\r\n$1\r\n1\r\n:1\r\n",
        QUEUED + b"*2\r\n:1\r\n:1\r\n",
        b"+OK\r\n+QUEUED\r\n-OOM\r\n+QUEUED\r\n-EXECABORT\r\n",
        b"-ERR\r\n" * 5,
    ],
)
def test_whatever_else_is_replied_is_read_as_ever(size, replies):
    connection = Replying(replies + NEXT, size)
    plain = hiredis.Reader()
    plain.feed(replies + NEXT)
    expected = [plain.gets() for _ in range(7)]
    assert read_added(connection, 3) is None
    assert str(connection.rest(7)) == str(expected)


def test_a_connection_that_fails_has_its_own_reader_again():
    connection = Replying(QUEUED, 4)
    with pytest.raises(IndexError):
        read_added(connection, 3)
    assert isinstance(connection.reader, hiredis.Reader)


def test_replies_are_left_where_some_have_come_or_the_parser_is_another():
    connection = Replying(b"", 1)
    connection.reader.feed(QUEUED)
    assert (read_added(connection, 3), connection.rest(1)) == (None, [b"OK"])
    assert read_added(object(), 3) is None
