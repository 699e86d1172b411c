"""Clients that want to keep a server from answering others. They know its address and nothing else of it.

Each function is one such client, or many of its kind at once. It returns when the server has got rid of them as it
should, and fails otherwise: whatever listens at the address, the suite is the same.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

GIVE_UP_S: Final = 90.0
_ESTABLISHED, _CLOSE_WAIT = 1, 8  # of TCP, as the system numbers them
_SMALL: Final = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Target:
    """An address, a request whose answer is large, and how many connections the server lets one peer have."""

    host: str
    port: int
    large: bytes
    connections: int

    @contextmanager
    def connected(self, receive_bytes: int | None = None) -> Iterator[socket.socket]:
        """A connection; with `receive_bytes` the system takes no more of an answer than about so much."""
        with socket.socket() as made:
            if receive_bytes is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            made.settimeout(GIVE_UP_S)
            made.connect((self.host, self.port))
            yield made

    def many(self, count: int, stack: ExitStack, receive_bytes: int | None = None) -> list[socket.socket]:
        """Return so many connections."""
        return [stack.enter_context(self.connected(receive_bytes)) for _ in range(count)]


def state_of(made: socket.socket) -> int:
    """Return what the system says of a connection, without reading from it."""
    return made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def wait_for_end(connections: Sequence[socket.socket]) -> None:
    """Wait until the server has closed connections, whether or not anybody reads what it has sent."""
    end_s = time.monotonic() + GIVE_UP_S
    while open_ := [made for made in connections if state_of(made) == _ESTABLISHED]:
        assert time.monotonic() < end_s, f"{len(open_)} of {len(connections)} connections are open still"
        time.sleep(0.05)


def read_all(made: socket.socket) -> bytes:
    """Return what a server sends until it closes a connection."""
    found = b""
    try:
        while data := made.recv(1 << 16):
            found += data
    except ConnectionError:
        pass
    return found


def push(made: socket.socket, data: bytes) -> None:
    """Send as much as the other side takes at once."""
    made.setblocking(False)
    with suppress(OSError):
        made.sendall(data)
    made.settimeout(GIVE_UP_S)


def never_read_large_answers(target: Target) -> None:
    """Ask for much, again and again, and take none of it."""
    with ExitStack() as stack:
        made = target.many(5, stack, 4096)
        for one in made:
            push(one, target.large * 60)
        wait_for_end(made)


def never_read_small_answers(target: Target) -> None:
    """Send requests for as long as the server takes them, and read no answer."""
    with ExitStack() as stack:
        made, end_s = target.many(5, stack, 4096), time.monotonic() + GIVE_UP_S
        while open_ := [one for one in made if state_of(one) == _ESTABLISHED]:
            assert time.monotonic() < end_s
            for one in open_:
                push(one, _SMALL * 90)
            time.sleep(0.02)


def read_a_byte_now_and_then(target: Target) -> None:
    """Take an answer so slowly that it never ends."""
    with target.connected(4096) as made:
        push(made, target.large * 60)
        end_s = time.monotonic() + GIVE_UP_S
        while state_of(made) == _ESTABLISHED:
            assert time.monotonic() < end_s
            made.recv(1)
            time.sleep(0.2)


def send_requests_without_an_end(target: Target) -> None:
    """Send thousands of requests in one piece: a bounded number is answered, and then the connection ends."""
    with target.connected() as made:
        push(made, _SMALL * 5_000)
        answers = read_all(made).count(b"HTTP/1.1 ")
    assert 1 <= answers <= 5_000


def say_nothing(target: Target) -> None:
    """Connect, and wait."""
    with ExitStack() as stack:
        wait_for_end(target.many(20, stack))


def ask_once_and_stay(target: Target) -> None:
    """Be answered, and keep the connection."""
    with ExitStack() as stack:
        made = target.many(20, stack)
        for one in made:
            one.sendall(_SMALL)
        wait_for_end(made)


def send_empty_lines(target: Target) -> None:
    """Be answered, and send what begins no request."""
    with ExitStack() as stack:
        _drip(target.many(20, stack), [_SMALL, *[b"\r\n"] * 10_000])


def write_a_head_slowly(target: Target) -> None:
    """Send a head a byte at a time."""
    with ExitStack() as stack:
        _drip(target.many(20, stack), [b"GET / HTTP/1.1\r\nx: ", *[b"a"] * 10_000])


def write_a_body_slowly(target: Target) -> None:
    """Send a body a byte at a time."""
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
    with ExitStack() as stack:
        _drip(target.many(20, stack), [head, *[b" "] * 10_000])


def write_a_chunk_extension_without_an_end(target: Target) -> None:
    """Send what belongs to no body and never ends."""
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;"
    with ExitStack() as stack:
        _drip(target.many(5, stack), [head, *[b"a" * 100] * 10_000])


def pipeline_behind_a_body_that_does_not_end(target: Target) -> None:
    """Be answered before the body is there, and go on sending it."""
    head = b"POST /nothing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with ExitStack() as stack:
        _drip(target.many(5, stack), [head, *[b"1\r\na\r\n"] * 10_000])


def _drip(connections: Sequence[socket.socket], pieces: Sequence[bytes]) -> None:
    """Send a piece every now and then, until the server has closed all connections."""
    end_s = time.monotonic() + GIVE_UP_S
    for piece in pieces:
        open_ = [made for made in connections if state_of(made) == _ESTABLISHED]
        if not open_:
            return
        assert time.monotonic() < end_s, f"{len(open_)} connections are open still"
        for made in open_:
            push(made, piece)
        time.sleep(0.05)
    raise AssertionError("they were never closed")


def send_a_head_that_is_too_large(target: Target) -> None:
    """Send headers without an end, as fast as they are taken."""
    with target.connected() as made:
        push(made, b"GET / HTTP/1.1\r\n" + b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100_000)
        wait_for_end([made])


def go_away_in_the_middle(target: Target) -> None:
    """Break connections at any point of a request or its answer."""
    chance = random.Random(7)
    for _ in range(200):
        with target.connected() as made:
            sent = (target.large * 2)[: chance.randrange(2 * len(target.large))]
            push(made, sent)
            if chance.random() < 0.5:
                select.select([made], [], [], 0.01)
            if chance.random() < 0.5:  # as a process that is killed, not as one that says goodbye
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_something_else(target: Target) -> None:
    """Send what is no request, or one that means two things."""
    chance = random.Random(11)
    length, chunked = b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n"
    known = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n" + length + b"content-length: 6\r\n\r\n12345",
        b"POST /predict HTTP/1.1\r\n" + length + chunked + b"\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n" + chunked + b"\r\nffffffffffffffffff\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 9_000 + b"\r\n",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        *[chance.randbytes(chance.randrange(1, 2_000)) for _ in range(100)],
    ]
    for one in known:
        with target.connected() as made:
            push(made, one)
            made.shutdown(socket.SHUT_WR)
            read_all(made)


def take_all_connections(target: Target) -> None:
    """Open more connections than one peer may have: those that are too many are closed, and the others go on."""
    with ExitStack() as stack:
        made = target.many(target.connections + 50, stack)
        end_s = time.monotonic() + GIVE_UP_S
        while sum(state_of(one) == _ESTABLISHED for one in made) > target.connections:
            assert time.monotonic() < end_s
            time.sleep(0.02)


ATTACKS: Final[Sequence[Callable[[Target], None]]] = (
    never_read_large_answers,
    never_read_small_answers,
    read_a_byte_now_and_then,
    send_requests_without_an_end,
    say_nothing,
    ask_once_and_stay,
    send_empty_lines,
    write_a_head_slowly,
    write_a_body_slowly,
    write_a_chunk_extension_without_an_end,
    pipeline_behind_a_body_that_does_not_end,
    send_a_head_that_is_too_large,
    go_away_in_the_middle,
    speak_something_else,
)
