"""HTTP over httptools, for clients that take their time: a request whose head does not arrive is not waited for."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 5.0


class _OneWrite:
    """A transport that keeps the head of an answer until its body comes, and sends both at once.

    A head is the first write after an answer has ended, and nothing else begins like it: bodies come after heads.
    """

    __slots__ = ("_head", "_transport", "_write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write, or keep a head."""
        if self._head:
            head, self._head = self._head, b""
            self._write(head + data)
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
        else:
            self._write(data)

    def flush(self) -> None:
        """Send a head that has no body: the answer to HEAD."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what is there, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection that has not sent the whole head of its first request after five seconds.

    Later ones are under the limit of idle connections, bodies under the deadline of a request.
    """

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        self._one_write = _OneWrite(transport)
        super().connection_made(self._one_write)  # type: ignore[arg-type]
        self._head = self.loop.call_later(HEAD_S, transport.close)

    def on_headers_complete(self) -> None:
        """Wait no more: the head is there."""
        self._forget()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Send what is left of an answer."""
        self._one_write.flush()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more: the client is gone."""
        self._forget()
        super().connection_lost(exc)

    def _forget(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
