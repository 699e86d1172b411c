"""A server that is to stop: it goes on answering while it says that it will end, and loses no request.

SIGTERM     `/ready` is 503, every answer closes its connection; for `drain_s` at most
then        nobody is listened to any more, connections are closed, what is under way is answered
SIGINT      begins with that
once more   ends the process at once
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

import uvicorn

from featurectl.serving.journal import Journal
from featurectl.serving.process.connections import ConnectionLimits, Connections, raise_file_limit
from featurectl.serving.process.listening import SETTLE_S, forget_silent, stop_accepting
from featurectl.serving.process.protocol import PatientProtocol
from featurectl.serving.settings import ServeSettings

QUIET_S: Final = 2.0  # without a connection: everybody who knew of us has heard
SHARED_S: Final = 2 * SETTLE_S  # processes that share a port go on until the first of them has seen to it
_FRESH_S: Final = 1.0  # for a connection that has begun to ask
_UNDER_WAY_S: Final = 10.0
_STEP_S: Final = 0.05
_LOOK_EVERY: Final = 10  # ticks of uvicorn, ten a second


class DrainingServer(uvicorn.Server):
    """Serves until it is to stop, as the module says. Connections that take too long are ended all the while."""

    def __init__(self, config: uvicorn.Config, connections: Connections, drain_s: float, journal: Journal) -> None:
        super().__init__(config)
        self._journal = journal
        self.server_state: Connections = connections
        self._drain_s = drain_s
        self._is_sole = config.workers == 1
        self._busy_s = 0.0  # when a connection was last there

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (uvicorn's)
        """Begin to end; by the second signal end at once.

        Of several processes one that a terminal has interrupted is then stopped by the first of them, too.
        """
        if not self.should_exit:
            self.should_exit = self.server_state.is_draining = True
            self._captured_signals.append(sig)
        elif self._is_sole or sig != signal.SIGTERM or self._captured_signals[0] == signal.SIGTERM:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for number in self._ports():
            forget_silent(number)

    async def on_tick(self, counter: int) -> bool:
        """Do what there is to do now and then, and return whether to end."""
        if counter % _LOOK_EVERY == 0:
            self._look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is asked until nobody asks any more, then end."""
        self._journal.report("draining", "told to stop", connections=len(self.server_state.connections))
        for connection in self._connections():
            connection.drain()
        self._busy_s = time.monotonic()
        if self._captured_signals[:1] == [signal.SIGTERM]:
            await self._wait(self._drain_s + (0 if self._is_sole else SHARED_S), self._is_quiet)
        await self._stop_listening(sockets or [])
        await self._wait(_FRESH_S, self._all_have_asked)
        for connection in self._connections():
            connection.shutdown()
        await self._wait(_UNDER_WAY_S, lambda: not (self.server_state.connections or self.server_state.tasks))
        self._give_up()
        await super().shutdown(sockets)

    async def _stop_listening(self, sockets: Sequence[socket.socket]) -> None:
        if self._is_sole:
            for number in self._ports():
                stop_accepting(number)
            await self._wait(SETTLE_S)
        for server in self.servers:
            server.close()
        for shared in sockets:
            shared.close()

    async def _wait(self, most_s: float, is_enough: Callable[[], bool] = lambda: False) -> None:
        """Wait so long, or until it is enough; what is done now and then is done meanwhile."""
        end_s, counter = time.monotonic() + most_s, 0
        while time.monotonic() < end_s and not is_enough():
            await asyncio.sleep(_STEP_S)
            counter += 1
            if counter % (2 * _LOOK_EVERY) == 0:
                await self.on_tick(0)

    def _ports(self) -> list[int]:
        return [port.fileno() for server in self.servers for port in server.sockets]

    def _is_quiet(self) -> bool:
        if self.server_state.connections:
            self._busy_s = time.monotonic()
        return self._is_sole and time.monotonic() - self._busy_s >= QUIET_S

    def _all_have_asked(self) -> bool:
        return all(connection.has_asked for connection in self._connections())

    def _connections(self) -> list[PatientProtocol]:
        return [found for found in self.server_state.connections if isinstance(found, PatientProtocol)]

    def _look(self) -> None:
        now_s = time.monotonic()
        for connection in self._connections():
            connection.look(now_s)

    def _give_up(self) -> None:
        """End what is still under way; that it was not answered is the end's fault, and no line of the log."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        for connection in self._connections():
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()


def open_server(config: uvicorn.Config, settings: ServeSettings) -> DrainingServer:
    """Return the server of a process."""
    in_all = raise_file_limit()
    limits = ConnectionLimits(of_peer=min(settings.max_connections, in_all), in_all=in_all)
    return DrainingServer(config, Connections(limits), settings.drain_s, Journal(settings.log_format))
