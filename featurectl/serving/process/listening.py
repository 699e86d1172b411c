"""Sockets as the system has them: the end of listening, and of connections whose other side does nothing."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Iterator
from typing import Final

# A filter of packets (classic BPF) for a port that is listened on: who begins to connect is not heard, and tries
# again until the port is another server's or nobody's; what has begun goes on. Nothing else keeps connections from
# coming between the last one that is accepted and the end of listening: these are reset, requests and all.
_FLAGS_AT: Final = 13  # in the head of a TCP packet
_SYN: Final = 0x02
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FILTER: Final = (
    (_LOAD_BYTE, 0, 0, _FLAGS_AT),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 1 << 16),
)
_ATTACH_FILTER: Final = 26  # SO_ATTACH_FILTER of Linux, which Python does not name
SETTLE_S: Final = 0.25  # in which connections that had begun are there


_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: at once
_GONE_MS: Final = 20_000


def forget_silent(number: int) -> None:
    """Let the system end connections of a port whose other side takes nothing of what is sent for 20 seconds.

    They have this of the port. The system ends those, too, that we have closed while it still had something to send.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with _shared(number) as port:
            port.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_MS)


def untaken_bytes(number: int) -> int:
    """Return how much of what was sent on a connection the other side has not taken yet, as far as the system says."""
    try:
        return int.from_bytes(fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


def reset_when_closed(number: int) -> None:
    """Let a connection end, when it is closed, without what was not taken of it yet: it is kept for nobody."""
    with _shared(number) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def stop_accepting(number: int) -> None:
    """Let no new connection begin on a port that is listened on, by its file number.

    It holds for all processes that share the socket. Where the system can't do it, nothing happens.
    """
    if not hasattr(socket, "SO_REUSEPORT") or os.uname().sysname != "Linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _FILTER))
    program = struct.pack("HL", len(_FILTER), ctypes.addressof(code))
    with _shared(number) as port:
        port.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)


@contextlib.contextmanager
def _shared(number: int) -> Iterator[socket.socket]:
    """Yield a socket that is somebody else's, by its file number; what the system can't do with it is left undone."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as found:
        yield found
