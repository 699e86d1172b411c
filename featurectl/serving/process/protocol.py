"""HTTP over httptools, for clients that take their time: a request whose head does not arrive is not waited for."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from featurectl.serving.http.problems import TITLES, Refused, problem
from featurectl.serving.http.requests import ENDING
from featurectl.serving.middleware import Guard
from featurectl.serving.process.connections import (
    HEAD_BYTES,
    HEAD_S,
    LINGER_S,
    PIPELINED,
    Connections,
)
from featurectl.serving.process.direct import DirectCycle, RequestHead
from featurectl.serving.process.transport import AnswerTransport

_FRAMING: Final = 8  # bytes for each of a body: one in a chunk of its own takes six


class _TooMany(Exception):  # noqa: N818 (ends the parser, and nothing else sees it)
    """More requests of one connection wait than may."""


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
    """Ends connections whose clients take too long, and takes no more of them than `Connections` admits.

    The head of a request has five seconds and 64 KiB; bodies are under the deadline of a request, connections between
    requests under the limit of idle ones. What still comes of a request that has its answer is awaited for five
    seconds, and an answer has to be taken: `look` sees to that. Behind a hundred requests that wait nothing more is
    read. Clients cause no lines in the log.
    """

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_head = False  # a request has begun, its head is not there
    _is_in_body = False  # the head of a request is there, its end is not
    _body_bytes = 0  # of that request
    _framing_bytes = 0  # of all that came behind its head: the body, what stands around it, what follows it
    _data = b""  # what is parsed at the moment
    _rest: asyncio.TimerHandle | None = None
    _address: str | None = None  # of a connection that was admitted
    _idle_since_s: float | None = None  # since then every request has its answer
    has_asked = False  # a request has come
    _is_full = False  # too many requests have come: what comes behind them is left alone
    _direct: DirectCycle | None = None  # the newest request, where it is answered without ASGI
    _last: RequestResponseCycle | DirectCycle | None = None  # the request whose answer says that it is the last one
    _ended_s: float | None = None

    @property
    def _all(self) -> Connections:
        assert isinstance(self.server_state, Connections)
        return self.server_state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has it narrower
        """Begin to wait for a head, or refuse a connection that is one too many."""
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._all.admit(address):
            transport.write(_whole_problem(Refused(503, "too many connections", hint="fewer, or --max-connections")))
            transport.close()
            return
        self._address = address
        self._answers = AnswerTransport(transport)
        self._direct_answers = self.app.direct if isinstance(self.app, Guard) else None
        super().connection_made(self._answers)  # type: ignore[arg-type]  # which is one for all that is called
        self._head = self.loop.call_later(HEAD_S, self._answers.close)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless they make a head too large, or nothing is taken any more."""
        if self._address is None or self._is_full or self._answers.is_ended:
            return
        if self._head is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and b"\r\n\r\n" not in data[:HEAD_BYTES]:
                self._refuse_head()
                return
        idle_since_s, before, self._idle_since_s = self._idle_since_s, self.cycle, None
        self._data = data
        self._framing_bytes += len(data)
        super().data_received(data)
        self._data = b""
        if self.cycle is before and not self._is_in_head:  # an empty line, as some clients send behind a body
            self._idle_since_s = idle_since_s
        if self._is_in_head and self._head is None:
            self._head = self.loop.call_later(HEAD_S, self.transport.close)
        if self._is_in_body and self._framing_bytes > HEAD_BYTES + _FRAMING * self._body_bytes:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the head of this request, and no longer than for any other."""
        if len(self.pipeline) >= PIPELINED:
            self._is_full = True
            raise _TooMany
        self._is_in_body, self._is_in_head, self._direct = False, True, None
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes behind a body is read by nobody, and not kept."""
        if not self._is_in_body:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_bytes += len(body)
        if self._direct is not None:
            self._direct.add(body)
        else:
            super().on_body(body)

    def on_headers_complete(self) -> None:
        """Wait no more: the head is there."""
        self._forget()
        self._is_in_head, self._is_in_body, self._body_bytes, self._framing_bytes = False, True, 0, 0
        if (direct := self._directly()) is not None:
            self._direct = direct
            self.cycle = direct  # type: ignore[assignment]  # it has what is looked at of one
            self.has_asked = True
            return
        self._begin_scope()
        super().on_headers_complete()
        self.has_asked = True
        if self._all.is_draining:
            self._answer_last()

    def _directly(self) -> DirectCycle | None:
        """Return a request that is answered without ASGI: a POST to such a route, with nothing unusual about it."""
        answers = self._direct_answers
        if answers is None or (route := answers.find(self.url)) is None or self.parser.get_method() != b"POST":
            return None
        if self._all.is_draining or self.expect_100_continue or self.parser.should_upgrade():
            return None
        if not self._is_answered() or self.parser.get_http_version() != "1.1":
            return None
        if answers.is_refused(self.headers):
            return None
        return DirectCycle(self, answers, route, RequestHead(self.url, self.parser.should_keep_alive()))

    def _is_answered(self) -> bool:
        """Return whether each request before has its answer."""
        return not self.has_asked or self.cycle.response_complete

    def _begin_scope(self) -> None:
        """Begin the scope of a request for ASGI, whose head is there by now."""
        url, headers, expect_100_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect_100_continue
        self.headers += headers
        if self._all.is_draining:
            self.scope["state"][ENDING] = True

    def common_lines(self) -> bytes:
        """Return the lines that the head of every answer has."""
        return self._all.common_lines()

    def write_answer(self, answer: bytes, url: bytes, status: int) -> None:
        """Write an answer, head and body, of a POST to an address."""
        if self.access_log:
            client = ":".join(map(str, self.client or ()))
            self.access_logger.info('%s - "%s %s HTTP/%s" %d', client, "POST", url.decode(), "1.1", status)
        self._answers.write_whole(answer)

    async def drain_answers(self) -> None:
        """Wait until the client has taken enough of the answers before."""
        if self.flow.write_paused:
            await self.flow.drain()

    def close_after_answer(self) -> None:
        """Close the connection: it has its last answer."""
        self.transport.close()

    def on_message_complete(self) -> None:
        """Wait no more for the rest of a request that was answered before it was there."""
        if self.parser.should_upgrade() and self._framing():
            return  # the parser takes the body for the other protocol
        self._forget_rest()
        self._is_in_body = False
        if self._direct is not None:
            self._direct.end()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send what is left of an answer, and wait for what is left of its request: it may never end."""
        self._answers.flush()
        if self.cycle.response_complete and self.cycle.more_body and self._rest is None:
            self._rest = self.loop.call_later(HEAD_S, self.transport.close)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since_s = time.monotonic()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close the connection; where too many requests wait, answer these."""
        if self._is_full:
            self._answer_last()
            return
        self.transport.write(_whole_problem(Refused(400, msg)))
        self.transport.close()

    def _refuse_head(self) -> None:
        """Close the connection of a head that is too large, with an answer where none is due to a request before."""
        if not self.has_asked or (self.cycle.response_complete and not self.pipeline):
            message = f"the head of the request is larger than {HEAD_BYTES:,} bytes"
            self.transport.write(_whole_problem(Refused(431, message)))
        self.transport.close()

    def drain(self) -> None:
        """Close the connection with the answer to what it has sent by now, or to the next request."""
        if self.has_asked and not self.cycle.response_complete:
            self._answer_last()

    def look(self, now_s: float) -> None:
        """Give up a client that asks nothing more, does not take its answer, or does not close what we have closed."""
        if self._idle_since_s is not None and now_s - self._idle_since_s >= self.timeout_keep_alive:
            self._idle_since_s = None
            self.transport.close()
        elif self._answers.is_stalled(now_s):
            self._answers.reset()
        elif self._answers.is_ended and not self._answers.is_waiting:
            self._ended_s = now_s if self._ended_s is None else self._ended_s
            if now_s - self._ended_s >= LINGER_S:
                self.transport.abort()

    def _answer_last(self) -> None:
        """Let the newest request be the last one that is answered, and no longer one that came before it."""
        if self._last is not None and not self._last.response_started:
            self._last.keep_alive = True
        self._last = None
        if self.cycle.keep_alive and not self.cycle.response_started:
            self.cycle.keep_alive = False
            self._last = self.cycle

    def _unsupported_upgrade_warning(self) -> None:
        """Go on in HTTP/1.1 after a request that offers another protocol, as some clients do with every first one.

        Its body, and what comes after it, are read by a new parser, which knows from the head how long the body is.
        """
        found = sys.exception()
        assert isinstance(found, httptools.HttpParserUpgrade)
        self._data = self._data[found.args[0] :]  # what follows may hold another offer
        framing = b"".join(b"%b: %b\r\n" % pair for pair in self._framing())
        self.parser = httptools.HttpRequestParser(_Body(self) if framing else self)
        try:
            if framing:
                self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        except httptools.HttpParserError:  # of a head that offers another protocol it is looked at here
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._data:
            super().data_received(self._data)

    def _framing(self) -> list[tuple[bytes, bytes]]:
        return [pair for pair in self.headers if pair[0] in (b"content-length", b"transfer-encoding")]

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more: the client is gone."""
        if self._address is None:
            return
        self._all.leave(self._address)
        self._forget()
        self._forget_rest()
        self.pipeline.clear()
        if self._direct is not None:
            self._direct.leave()
        super().connection_lost(exc)
        if self._direct is not None:  # it holds the connection: both would stay until garbage is collected
            self.cycle = self._direct = None  # type: ignore[assignment]  # nobody looks at it any more

    def _forget_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _forget(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
            self._head_bytes = 0


def _whole_problem(refused: Refused) -> bytes:
    """Return an answer that closes its connection, head and body."""
    answer = problem(refused)
    head = b"".join(b"%b: %b\r\n" % pair for pair in [*answer.raw_headers, (b"connection", b"close")])
    status = f"{refused.status} {TITLES[refused.status]}".encode()
    return b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, head, bytes(answer.body))
