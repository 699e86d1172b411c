"""Replies that come into memory are what a client's own parser makes of the same bytes, however these are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import accumulate, chain
from random import Random
from typing import Any

import hiredis
import pytest
import redis

from featurectl.online.redis.received_replies import ReceivedReplies, list_sizes
from featurectl.online.redis.reply_receiver import ReplyMemory, ReplyReceiver, SpareMemory
from featurectl.online.stream_state.base import NO_LIST, EntityList
from featurectl.online.stream_state.compiled.reader import Loops
from featurectl.online.stream_state.received_lists import ReceivedList
from tests.seeds import seeds_from

SAMPLE, WHOLE = 300, 20_000
LIST, OTHER = ("LRANGE", b"key", 0, -1), ("HMGET", b"key", b"field")


class OpeningProtocol(asyncio.Protocol):
    """The protocol of a connection before its replies are received."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def connection_lost(self, exc) -> None:
        self.heard.append(exc)

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")


def value(random: Random) -> bytes:
    size = random.choice([0, 1, 9, 10, 37, 99, 100, 101, 4_000])
    return random.choice([b"\r\n$3*1", random.randbytes(9)]) * (size // 6 + 1)


def bulk(of: bytes | None, random: Random) -> bytes:
    if of is None:
        return random.choice([b"$-1\r\n", b"_\r\n"])
    return b"$%d\r\n%b\r\n" % (len(of), of)


def reply(random: Random) -> tuple[tuple, bytes]:
    """Return a command and the bytes of a reply to it."""
    kind = random.randrange(5)
    if kind < 2:
        elements = [value(random) for _ in range(random.choice([0, 1, 2, 30]))]
        return LIST, b"*%d\r\n" % len(elements) + b"".join(bulk(each, random) for each in elements)
    if kind < 3:
        some = [random.choice([None, value(random)]) for _ in range(random.randrange(1, 5))]
        return OTHER, b"*%d\r\n" % len(some) + b"".join(bulk(each, random) for each in some)
    return OTHER, bulk(random.choice([None, value(random)]), random)


def parsed(data: bytes) -> list[object]:
    """Return what the client's parser makes of replies."""
    reader, found = hiredis.Reader(), []
    reader.feed(data)
    with suppress(hiredis.ProtocolError):
        while (one := reader.gets()) is not False:
            found.append(one)
    return found


def receive(receiver: ReplyReceiver, data: bytes, random: Random) -> None:
    """Give bytes as a connection does, in parts of any length."""
    at = 0
    while at < len(data):
        room = receiver.get_buffer(-1)
        size = min(len(room), random.choice([1, 2, 7, 100, 5_000, 100_000]), len(data) - at)
        room[:size] = data[at : at + size]
        receiver.buffer_updated(size)
        at += size


def made(found: Sequence[object]) -> list[object]:
    return [[*one] if isinstance(one, ReceivedList) else one for one in found]


def size_in_memory(elements: Sequence[bytes]) -> int:
    """Return in how many bytes the elements of a list are, from the first one's on to the last one's end."""
    return len(b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in elements)) - len(
        b"$%d\r\n\r\n" % len(elements[0])
    )


def check_parts(found: ReceivedReplies, said: list[Any], random: Random) -> None:
    """See that replies, and parts of them, are a sequence of what was said."""
    place = random.randrange(len(said))
    begin, end = random.randrange(len(said)), random.randrange(len(said) + 1)
    assert found[place] == found[place - len(said)] == said[place]
    part, expected = found[begin:end], said[begin:end]
    assert (len(part), [*part], [*part]) == (len(expected), expected, expected)
    assert [part[i] for i in range(len(part))] == expected
    assert [*found[-2:]] == said[-2:]
    with pytest.raises(IndexError):
        found[len(said)]
    lists = part.lists()
    assert (lists is None) == (not expected or any(type(each) is not list or None in each for each in expected))
    if lists is not None:
        assert lists == [EntityList(each, None) if each else NO_LIST for each in expected]
        assert lists != [*lists, NO_LIST]
        memory, list_ends = lists[1:].elements()
        assert [memory.take(i) for i in range(len(memory.ends))] == [*chain.from_iterable(expected[1:])]
        assert list_ends.tolist() == [*accumulate(map(len, expected[1:]))]
        sizes = [size_in_memory(each) + 50 * len(each) if each else 0 for each in expected]
        assert list_sizes(part.rows, 50) == sizes
        in_memory = [one.elements for one in lists if type(one.elements) is ReceivedList]
        assert [one.size for one in in_memory] == [size_in_memory(each) for each in expected if each]
    others = [size for size, each in zip(list_sizes(found.rows, 50), said, strict=True) if type(each) is not list]
    assert not any(others)


async def receive_whole(seeds: Iterable[int], loops: Loops) -> int:
    """See that replies are what the client makes of them; return how many lists there were."""
    lists = 0
    receiver = ReplyReceiver(OpeningProtocol(), loops.replies)
    for seed in seeds:
        random = Random(seed)
        replies = [reply(random) for _ in range(random.choice([1, 2, 30]))]
        data = b"".join(each for _, each in replies)
        whole = receiver.expect(len(replies))
        receive(receiver, data, random)
        assert whole.done(), seed
        received = receiver.take()
        found = received.objects([command for command, _ in replies])
        assert made(found) == parsed(data), seed
        check_parts(received, parsed(data), random)
        are_lists = [command == LIST and bool(one) for (command, _), one in zip(replies, made(found), strict=True)]
        assert [type(one) is ReceivedList for one in found] == are_lists, seed
        sized = [one for one in found if type(one) is ReceivedList]
        assert [one.size for one in sized] == [size_in_memory(one) for one in sized]
        lists += sum(type(each) is ReceivedList for each in found)
    return lists


@pytest.mark.sample(2)
@pytest.mark.parametrize("part", range(2))
def test_replies_are_what_a_parser_makes_of_them(part: int, loops: Loops):
    seeds = seeds_from(part * SAMPLE, (part + 1) * SAMPLE)
    assert asyncio.run(receive_whole(seeds, loops)) > SAMPLE / 10


async def receive_broken(seeds: Iterable[int], loops: Loops) -> tuple[int, int]:
    """See that broken replies are refused, or what the client makes of them; return how many of each there were."""
    whole_ones = refused = 0
    for seed in seeds:
        random = Random(seed)
        replies = [reply(random) for _ in range(random.choice([1, 2, 5]))]
        data = bytearray(b"".join(each for _, each in replies))
        for _ in range(random.choice([1, 2])):
            place = random.choice([random.randrange(len(data)), random.randrange(min(8, len(data)))])
            data[place] = random.choice(b"*$_-+:>%~\r\n0129\x00\xff")
        receiver = ReplyReceiver(OpeningProtocol(), loops.replies)
        whole = receiver.expect(len(replies))
        receive(receiver, bytes(data), random)
        if not whole.done():
            continue
        if whole.exception() is None:
            whole_ones += 1
            found = receiver.take().objects([command for command, _ in replies])
            said = parsed(bytes(data))
            assert made(found) == said[: len(found)], seed
            assert receiver.has_ended or len(said) == len(found), seed  # more came behind a list that lost its elements
        else:
            refused += 1
            assert isinstance(whole.exception(), redis.ConnectionError)
            assert receiver.has_ended
    return whole_ones, refused


@pytest.mark.sample(2)
@pytest.mark.parametrize("part", range(2))
def test_broken_replies_are_refused_or_what_a_parser_makes_of_them(part: int, loops: Loops):
    seeds = seeds_from(part * SAMPLE, (part + 1) * SAMPLE)
    assert min(asyncio.run(receive_broken(seeds, loops))) > SAMPLE / 20


@pytest.mark.stress
def test_many_replies_are_what_a_parser_makes_of_them(loops: Loops):
    assert asyncio.run(receive_whole(seeds_from(2 * SAMPLE, WHOLE), loops))
    assert all(asyncio.run(receive_broken(seeds_from(2 * SAMPLE, WHOLE), loops)))


def test_memory_grows_with_replies_and_is_used_again(loops: Loops, monkeypatch: pytest.MonkeyPatch):
    opened: list[ReplyMemory] = []
    begin = ReplyMemory.__init__

    def noted(memory: ReplyMemory) -> None:
        opened.append(memory)
        begin(memory)

    monkeypatch.setattr(ReplyMemory, "__init__", noted)

    async def read() -> None:
        receiver = ReplyReceiver(OpeningProtocol(), loops.replies)
        for elements in ([b"a" * 1_000_000], [b"a"] * 20_000):
            for _ in range(5):
                receiver.expect(1)
                data = b"*%d\r\n" % len(elements) + b"".join(bulk(each, Random(1)) for each in elements)
                receive(receiver, data, Random(1))
                [found] = receiver.take().objects([LIST])
                assert found == elements
                del found
        assert len(opened) == 1
        held = []
        for number in range(3):
            receiver.expect(1)
            receive(receiver, b"*1\r\n$1\r\n%d\r\n" % number, Random(1))
            held += receiver.take().objects([LIST])
        assert held == [[b"0"], [b"1"], [b"2"]]
        assert len(opened) == 3

    asyncio.run(read())
    compiled: Any = loops.replies
    assert len(compiled.signatures) == 1  # which a server has compiled before it reads


def test_words_can_be_read_at_each_byte_of_what_has_come(loops: Loops):
    async def read() -> None:
        receiver = ReplyReceiver(OpeningProtocol(), loops.replies)
        for left, times in ((0, 1), (1, 1), (15, 1), (0, 2), (15, 2)):  # bytes of the room, and how often it grows
            whole, room = receiver.expect(1), times * (len(receiver.get_buffer(-1)) + 16) - 16
            element = b"a" * (room - len(b"*1\r\n$999999\r\n\r\n") - left)
            receive(receiver, b"*1\r\n$%d\r\n%b\r\n" % (len(element), element), Random(1))
            assert whole.done()
            [found] = receiver.take().objects([LIST])
            assert isinstance(found, ReceivedList)
            assert found.of is not None
            last = int(found.of.ends[0])
            assert last + 2 + 16 <= len(found.of.octets) <= last + 2 + 16 + left
            assert len(found.of.words) == len(found.of.octets) - 7

    asyncio.run(read())


def test_no_more_memory_waits_than_there_is_room_for():
    spare, memories = SpareMemory(), [ReplyMemory(1 << 20) for _ in range(9)]
    for memory in memories:
        spare.give(memory)
    again = [spare.take() for _ in memories]
    assert 3 <= sum(any(one is memory for memory in memories) for one in again) <= 4
    large = ReplyMemory(5 << 20)
    spare.give(large)
    assert spare.take() is not large


def test_a_connection_that_ends_or_says_too_much_is_not_used_again(loops: Loops):
    async def read() -> None:
        ends: list[Callable[[ReplyReceiver], None]] = [
            lambda receiver: receiver.connection_lost(None),
            lambda receiver: receive(receiver, b"$1\r\na\r\n$1\r\n", Random(1)),
            lambda receiver: receive(receiver, b"-ERR no\r\n", Random(1)),
            lambda receiver: receive(receiver, b"*1\r\n*1\r\n", Random(1)),
            lambda receiver: receive(receiver, b"$" + b"1" * 20, Random(1)),
        ]
        for end in ends:
            receiver = ReplyReceiver(OpeningProtocol(), loops.replies)
            whole = receiver.expect(1)
            end(receiver)
            assert receiver.has_ended
            with pytest.raises(redis.ConnectionError):
                await whole
        for begin in (False, True):
            receiver = ReplyReceiver(OpeningProtocol(), loops.replies)
            if begin:
                receiver.expect(1)
                receive(receiver, b"$1\r\na\r\n", Random(1))
                receiver.take().objects([OTHER])
            assert not receiver.has_ended
            receive(receiver, b"$1\r\na\r\n", Random(1))
            assert receiver.has_ended

    asyncio.run(read())


def test_who_opened_a_connection_hears_of_what_is_no_reply(loops: Loops):
    opening = OpeningProtocol()
    receiver = ReplyReceiver(opening, loops.replies)
    receiver.pause_writing()
    receiver.resume_writing()
    receiver.connection_lost(None)
    assert opening.heard == ["pause", "resume", None]
    assert receiver.eof_received() is False
