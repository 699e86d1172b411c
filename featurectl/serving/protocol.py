"""HTTP over httptools, for clients that take their time: a request whose head does not arrive is not waited for."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from featurectl.serving.problems import Refused, problem

HEAD_S: Final = 5.0
HEAD_BYTES: Final = 64 << 10


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


class _Body:
    """Takes the body of a request whose head is known, and lets its protocol take all that comes after it."""

    def __init__(self, protocol: PatientProtocol) -> None:
        self._protocol = protocol
        self._is_whole = False
        self.on_body = protocol.on_body

    def on_message_begin(self) -> None:
        """Begin a request that comes after."""
        if self._is_whole:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take the URL of a request that comes after."""
        if self._is_whole:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of a request that comes after."""
        if self._is_whole:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head of a request that comes after."""
        if self._is_whole:
            self._protocol.on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._is_whole = True
        self._protocol.on_message_complete()


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection that has not sent the whole head of a request in five seconds, or sends one of over 64 KiB.

    Between requests there is the limit of idle connections, bodies are under the deadline of a request. What still
    comes of a request that has its answer is awaited for five seconds. Clients cause no lines in the log.
    """

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _data = b""  # what is parsed at the moment
    _rest: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        self._one_write = _OneWrite(transport)
        super().connection_made(self._one_write)  # type: ignore[arg-type]
        self._head = self.loop.call_later(HEAD_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless they make a head too large."""
        if self._head is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and b"\r\n\r\n" not in data[:HEAD_BYTES]:
                self.transport.close()
                return
        self._data = data
        super().data_received(data)
        self._data = b""

    def on_message_begin(self) -> None:
        """Wait for the head of this request, and no longer than for any other."""
        super().on_message_begin()
        if self._head is None:
            self._head = self.loop.call_later(HEAD_S, self.transport.close)

    def on_headers_complete(self) -> None:
        """Wait no more: the head is there."""
        self._forget()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no more for the rest of a request that was answered before it was there."""
        if self.parser.should_upgrade() and self._framing():
            return  # the parser takes the body for the other protocol
        self._forget_rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send what is left of an answer, and wait for what is left of its request: it may never end."""
        self._one_write.flush()
        if self.cycle.response_complete and self.cycle.more_body and self._rest is None:
            self._rest = self.loop.call_later(HEAD_S, self.transport.close)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close the connection."""
        answer = problem(Refused(400, msg))
        head = b"".join(b"%b: %b\r\n" % pair for pair in [*answer.raw_headers, (b"connection", b"close")])
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%b\r\n%b" % (head, bytes(answer.body)))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Go on in HTTP/1.1 after a request that offers another protocol, as some clients do with every first one.

        Its body, and what comes after it, are read by a new parser, which knows from the head how long the body is.
        """
        found = sys.exception()
        assert isinstance(found, httptools.HttpParserUpgrade)
        rest = self._data[found.args[0] :]
        framing = b"".join(b"%b: %b\r\n" % pair for pair in self._framing())
        self.parser = httptools.HttpRequestParser(_Body(self) if framing else self)
        if framing:
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        if rest:
            super().data_received(rest)

    def _framing(self) -> list[tuple[bytes, bytes]]:
        return [pair for pair in self.headers if pair[0] in (b"content-length", b"transfer-encoding")]

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more: the client is gone."""
        self._forget()
        self._forget_rest()
        super().connection_lost(exc)

    def _forget_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _forget(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
            self._head_bytes = 0
