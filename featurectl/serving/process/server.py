"""A server that is told to stop goes on answering while it says that it will end, and loses no request.

SIGTERM     `/ready` is 503, every response closes its connection; for `drain_s` at most
then        nobody is let in any more, idle connections are closed, requests in flight are answered
SIGINT      begins with that
once more   ends the process at once
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from featurectl.serving.journal import Journal
from featurectl.serving.middleware import RequestMiddleware
from featurectl.serving.settings import ServeSettings

QUIET_S: Final = 2.0  # without a connection: everybody who knew of the server has heard
_FIRST_HEAD_S: Final = 1.0  # for the connections that were let in last
_STEP_S: Final = 0.05
_OTHER_FILES: Final = 128  # of stores, models, logs
_FILES: Final = 1 << 16
_NETWORK_BYTES: Final = 8  # of an address of IPv6: whoever has one has all that begin so


class ConnectionCounts(ServerState):
    """The connections of a process, and how many each address has."""

    def __init__(self, of_address: int) -> None:
        super().__init__()
        self._total = raise_file_limit()
        self._of_address = min(of_address, self._total)
        self._counts: Counter[str | bytes] = Counter()

    def admit(self, client: tuple[str, int] | None) -> bool:
        """Count a connection, and return whether it is not one too many."""
        address = _network(client)
        self._counts[address] += 1
        return self._counts[address] <= self._of_address and len(self.connections) <= self._total

    def leave(self, client: tuple[str, int] | None) -> None:
        """Count a connection no more."""
        address = _network(client)
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]


def _network(client: tuple[str, int] | None) -> str | bytes:
    """Return what connections of one host share: the address; of IPv6 its network, of which a host has all."""
    address = client[0] if client else ""
    if ":" not in address:
        return address
    found = ipaddress.IPv6Address(address.partition("%")[0])
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


class DrainingServer(uvicorn.Server):
    """Serves until it is told to stop, and then as the module says."""

    def __init__(self, config: uvicorn.Config, settings: ServeSettings) -> None:
        super().__init__(config)
        self.server_state = ConnectionCounts(settings.max_connections)
        self._drain_s = settings.drain_s
        self._journal = Journal(settings.log_format)
        self._signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; by the second signal end at once.

        One of several processes that a terminal has interrupted is then stopped by the first of them, too.
        """
        if self._signal is None:
            self._signal = sig
            super().handle_exit(sig, frame)
        elif self.config.workers == 1 or sig != signal.SIGTERM or self._signal == signal.SIGTERM:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer until nobody asks any more, then end."""
        app = self.config.loaded_app
        assert isinstance(app, RequestMiddleware)
        app.context.status.is_ending = True
        connections = self.server_state.connections
        self._journal.report("draining", "told to stop", connections=len(connections))
        if self._signal == signal.SIGTERM:
            await self._drain()
        await self._stop_listening()
        await self._wait(_FIRST_HEAD_S, lambda: all(getattr(made, "cycle", None) for made in connections))
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Go on until nobody was connected for a while, `drain_s` at most."""
        busy_s = time.monotonic()

        def is_quiet() -> bool:
            nonlocal busy_s
            if self.server_state.connections:
                busy_s = time.monotonic()
            return time.monotonic() - busy_s >= QUIET_S

        await self._wait(self._drain_s, is_quiet)

    async def _wait(self, most_s: float, is_enough: Callable[[], bool]) -> None:
        end_s = time.monotonic() + most_s
        while time.monotonic() < end_s and not is_enough():  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(_STEP_S)

    async def _stop_listening(self) -> None:
        """Close the port, and take the connections that the system has accepted by then: it would reset them."""
        loop, waiting = asyncio.get_running_loop(), list[socket.socket]()
        ports = [socket.socket(fileno=os.dup(found.fileno())) for at in self.servers for found in at.sockets]
        for server in self.servers:
            server.close()
        await asyncio.sleep(_STEP_S)
        for port in ports:
            port.setblocking(False)
            with suppress(OSError):
                while True:
                    waiting.append(port.accept()[0])
            port.close()
        for made in waiting:
            await loop.connect_accepted_socket(self._protocol, made)

    def _protocol(self) -> asyncio.Protocol:
        made = cast("type[HttpToolsProtocol]", self.config.http_protocol_class)
        return made(self.config, self.server_state, self.lifespan.state)
