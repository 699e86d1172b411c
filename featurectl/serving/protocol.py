"""HTTP over httptools, for clients that take their time: a request whose head does not arrive is not waited for."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 5.0


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection that has not sent the whole head of its first request after five seconds.

    Later ones are under the limit of idle connections, bodies under the deadline of a request.
    """

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_S, transport.close)

    def on_headers_complete(self) -> None:
        """Wait no more: the head is there."""
        self._forget()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more: the client is gone."""
        self._forget()
        super().connection_lost(exc)

    def _forget(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
