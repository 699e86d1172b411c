"""Connections of one process: how many of whom there may be, and how long each may take for what it does."""

from __future__ import annotations

import ipaddress
import resource
from collections import Counter
from typing import Final

from uvicorn.server import ServerState

from featurectl.core.dataclass import dataclass

HEAD_S: Final = 5.0  # until the whole head of a request is there
HEAD_BYTES: Final = 64 << 10
PIPELINED: Final = 100  # requests that wait behind one that is not answered yet
STALLED_S: Final = 10.0  # in which a client takes `STALLED_BYTES` of its answers, or all that there was
STALLED_BYTES: Final = 320 << 10
LINGER_S: Final = 1.0  # in which a client closes a connection that we have closed
_OTHER_FILES: Final = 128  # of stores, models, logs
_FILES: Final = 1 << 16
_NETWORK_BYTES: Final = 8  # of an address of IPv6 that one peer has: whoever has one has all that begin so


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections an address may have, and how many there may be in all."""

    of_peer: int
    in_all: int


class Connections(ServerState):
    """The connections of a process; `is_draining`: each answer is the last one of its connection."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.is_draining = False
        self._limits = limits
        self._of_peer: Counter[str | bytes] = Counter()
        self._count = 0
        self._headers: object = None  # those that `_lines` is of
        self._lines = b""

    def common_lines(self) -> bytes:
        """Return the lines that the head of every answer has: uvicorn has new headers each second, for the date."""
        if self.default_headers is not self._headers:
            self._headers = self.default_headers
            self._lines = b"".join(b"%b: %b\r\n" % pair for pair in self.default_headers)
        return self._lines

    def admit(self, address: str) -> bool:
        """Count a connection of an address in, unless there are too many."""
        peer = _peer(address)
        if self._of_peer[peer] >= self._limits.of_peer or self._count >= self._limits.in_all:
            return False
        self._of_peer[peer] += 1
        self._count += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection of an address out."""
        peer = _peer(address)
        self._count -= 1
        self._of_peer[peer] -= 1
        if self._of_peer[peer] <= 0:
            del self._of_peer[peer]


def _peer(address: str) -> str | bytes:
    """Return what connections of one peer share: the address; of IPv6 its network, of which a host has all."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped) if found.ipv4_mapped else found.packed[:_NETWORK_BYTES]


def raise_file_limit() -> int:
    """Let this process have as many open files as it may, and return for how many connections that is enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    elif soft != resource.RLIM_INFINITY:
        most = min(soft, _FILES)
    return max(most - _OTHER_FILES, 1)
