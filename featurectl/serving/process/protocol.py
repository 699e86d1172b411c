"""HTTP/1.1 by uvicorn and httptools, with the bounds that ASGI can't set: heads, connections, slow readers."""

import asyncio
import socket
import struct
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from featurectl.serving.http.problems import raw_problem
from featurectl.serving.process.server import ConnectionCounts

HEAD_S: Final = 5.0
HEAD_BYTES: Final = 64 << 10
PIPELINED: Final = 100  # requests that wait behind one without a response
STALLED_S, STALLED_BYTES = 10.0, 320 << 10  # a client takes so much in that time, or all that waits for it
_LINGER_S: Final = 1.0  # in which a client reads why it was refused
_FRAMING: Final = 8  # bytes that each byte of a body may take: in a chunk of its own it takes six
_RESET_WHEN_CLOSED: Final = socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends connections of clients that are too slow, send too much beside bodies, or have too many connections."""

    _head_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _in_head = _is_refused = False
    _extra_bytes = 0  # received since a message began, beside its body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has it narrower
        super().connection_made(transport)
        self._cycles: list[RequestResponseCycle] = []  # of requests in flight, and of those that wait behind them
        transport.set_write_buffer_limits(0)  # whatever the system does not take at once is watched
        self._head_timer = self.loop.call_later(HEAD_S, transport.abort)
        if isinstance(self.server_state, ConnectionCounts) and not self.server_state.admit(self.client):
            self._refuse(503, "too many connections; --max-connections")

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._extra_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:  # declined: read again as a request that offers nothing
            head = [b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.url)]
            head += [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(b"".join([*head, b"\r\n", data[offer.args[0] :]]))
        except httptools.HttpParserError:
            self._refuse(400, "Invalid HTTP request received.")
        else:
            if self._extra_bytes > HEAD_BYTES:
                self._refuse(431, f"more than {HEAD_BYTES:,} bytes of the request are not its body")
            elif self._in_head and self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._extra_bytes = True, 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            return
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_BYTES:
            self._refuse(431, f"the head of the request is larger than {HEAD_BYTES:,} bytes")
        if len(self.pipeline) >= PIPELINED or self.parser.get_http_version() not in {"1.0", "1.1"} or self._is_refused:
            raise ValueError
        if self._cycles and self._cycles[-1].response_complete:
            self._cycles.clear()
        super().on_headers_complete()
        self._cycles.append(self.cycle)
        _cancel(self._head_timer, self.timeout_keep_alive_task)
        self._in_head, self._extra_bytes, self._head_timer = False, 0, None

    def on_body(self, body: bytes) -> None:
        self._extra_bytes -= _FRAMING * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._in_head:  # as it is at the end of a declined offer
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_reader(self.transport.get_write_buffer_size() + STALLED_BYTES)

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._reader_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(self.server_state, ConnectionCounts):
            self.server_state.leave(self.client)
        _cancel(self._head_timer, self._reader_timer)
        for cycle in self._cycles:
            cycle.disconnected = True
        self.pipeline.clear()
        super().connection_lost(exc)

    def _check_reader(self, left_before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left + STALLED_BYTES > left_before:
            self.transport.get_extra_info("socket").setsockopt(*_RESET_WHEN_CLOSED)
            self.transport.abort()
        else:
            self._reader_timer = self.loop.call_later(STALLED_S, self._check_reader, left)

    def _refuse(self, status: int, detail: str) -> None:
        if self._is_refused:
            return
        self._is_refused = True
        cycle = self._cycles[-1] if self._cycles else None
        if cycle is not None and not cycle.response_complete:
            if self.pipeline or cycle.response_started or not cycle.more_body:
                cycle.keep_alive = False  # the connection ends with the responses that are due
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(raw_problem(status, detail, self.server_state.default_headers))
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)


def _cancel(*timers: asyncio.TimerHandle | None) -> None:
    for timer in timers:
        if timer is not None:
            timer.cancel()
