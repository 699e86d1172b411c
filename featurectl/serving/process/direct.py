"""Requests with a body that are answered from the protocol: without scope, messages and middlewares of ASGI."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple, Protocol

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from featurectl.serving.direct_answers import DirectAnswers, DirectRoute
from featurectl.serving.http.problems import problem, too_large
from featurectl.serving.http.requests import JsonAnswer

_JSON: Final = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n\r\n%b"
_OK: Final = 200
_CLOSE: Final = (b"connection", b"close")
_NOBODY_WAITS: Final = asyncio.Event()  # of a body in parts, as an ASGI application does


class RequestHead(NamedTuple):
    """What is looked at of the head of a request."""

    url: bytes
    keep_alive: bool


class DirectConnection(Protocol):
    """What a request has to do with its connection."""

    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]

    def common_lines(self) -> bytes:
        """Return the lines that the head of every answer has."""

    def write_answer(self, answer: bytes, url: bytes, status: int) -> None:
        """Write an answer, head and body."""

    async def drain_answers(self) -> None:
        """Wait until the client has taken enough of the answers before."""

    def close_after_answer(self) -> None:
        """Close the connection: it has its last answer."""

    def on_response_complete(self) -> None:
        """Go on with the next request."""


class DirectCycle:
    """A request whose head is there; it is answered when its body is, and given up when its time is over.

    It stands where uvicorn has a `RequestResponseCycle`, with what the protocol looks at of one.
    """

    __slots__ = (
        "_answers", "_connection", "_content", "_has_begun", "_head", "_is_late", "_task", "begin_s", "disconnected",
        "keep_alive", "message_event", "more_body", "response_complete", "response_started", "route",
    )  # fmt: skip

    def __init__(
        self,
        connection: DirectConnection,
        answers: DirectAnswers,
        route: DirectRoute,
        head: RequestHead,
    ) -> None:
        self.begin_s = time.perf_counter()
        self.route = route
        self.keep_alive = head.keep_alive
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = _NOBODY_WAITS
        self._connection = connection
        self._answers = answers
        self._head = head
        self._content = bytearray()  # of the body, as far as it is there and somebody waits for it
        self._has_begun = self._is_late = False
        self._task: asyncio.Task[None] | None = None
        answers.begin(self, connection.loop.time())

    def add(self, body: bytes) -> None:
        """Take a part of the body; one that is too large is refused at once."""
        if self.response_complete:
            return
        self._content += body
        if len(self._content) > self._answers.max_body_bytes:
            self._send(problem(too_large(self._answers.max_body_bytes)))

    def end(self) -> None:
        """Begin to answer: the body is whole."""
        self.more_body = False
        if not self.response_complete:
            content = bytes(self._content)
            self._content.clear()
            self._task = self._connection.loop.create_task(self._answer(content))
            self._connection.tasks.add(self._task)

    def expire(self) -> None:
        """Give up: the time of the request is over."""
        if self._task is None:
            self._send(self._answers.late(whole=False))
        elif not self._has_begun:  # where all of the time went into other requests
            self._task.cancel()
            self._connection.tasks.discard(self._task)
            self._send(self._answers.late(whole=True))
        elif not self.response_started:
            self._is_late = True
            self._task.cancel()

    def leave(self) -> None:
        """Wait no more for the body of a client that is gone; what has begun to answer it goes on."""
        self.disconnected = True
        self._content.clear()
        if self._task is None:
            self._answers.end(self, 0)

    async def _answer(self, content: bytes) -> None:
        assert self._task is not None
        self._has_begun = True
        try:
            response = await self._respond(self._task, content)
            self.response_started = True
            await self._connection.drain_answers()
            self._send(response)
        finally:
            self._connection.tasks.discard(self._task)
            self._answers.end(self, 0)  # of one that was cancelled: others have been counted

    async def _respond(self, task: asyncio.Task[None], content: bytes) -> Response:
        try:
            return await self._answers.respond(self.route, content)
        except asyncio.CancelledError:
            if not self._is_late:
                raise
            task.uncancel()
            return self._answers.late(whole=True)

    def _send(self, response: Response) -> None:
        """Send an answer, unless the client is gone."""
        self.response_started = True
        self._content.clear()
        if not self.disconnected:
            self._connection.write_answer(self._bytes_of(response), self._head.url, response.status_code)
            self.response_complete = True
            if not self.keep_alive:
                self._connection.close_after_answer()
        self._answers.end(self, response.status_code)
        if self.response_complete:
            self._connection.on_response_complete()

    def _bytes_of(self, response: Response) -> bytes:
        body = response.body
        if self.keep_alive and type(response) is JsonAnswer and response.status_code == _OK:
            return _JSON % (self._connection.common_lines(), len(body), body)
        headers = list(response.raw_headers)
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(_CLOSE)
        return b"".join(
            [
                STATUS_LINE[response.status_code],
                self._connection.common_lines(),
                *(b"%b: %b\r\n" % pair for pair in headers),
                b"\r\n",
                bytes(body),
            ]
        )
