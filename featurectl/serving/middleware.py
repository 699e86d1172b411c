"""Around every request: keys, the size of its body, a deadline, counts; whatever fails becomes a problem."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurectl.serving.context import ServerContext
from featurectl.serving.http.keys import ApiKeys
from featurectl.serving.http.problems import Refused, fault, late, problem, too_large
from featurectl.serving.routes.all_routes import ROUTES

_OPEN: Final = frozenset(route.path for route in ROUTES if not route.needs_key)
_PATHS: Final = frozenset(route.path for route in ROUTES)
_BELOW: Final = [route for route in ROUTES if route.parameter]
_OF_EVENTS: Final = tuple(route.prefix for route in ROUTES if route.takes_events)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"})
_SPARE_S: Final = 0.5  # who takes events says itself that its time is over


class RequestMiddleware:
    """Wraps the routes of a server."""

    def __init__(self, app: ASGIApp, context: ServerContext, keys: ApiKeys, event_keys: ApiKeys | None) -> None:
        """Wrap routes; `event_keys` are for those that take events, None where none does."""
        self.app = app
        self.context = context
        self._keys = keys
        self._event_keys = event_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        metrics, begin, path = self.context.metrics, time.perf_counter(), scope["path"]
        exchange = _Exchange(self.context, receive, send)
        metrics.in_flight.inc()
        try:
            refused = await self._try(scope, exchange)
            if refused is not None and exchange.status == 0:
                await problem(refused)(scope, receive, exchange.send)
        finally:
            metrics.in_flight.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.count_request(_route_of(path), method, exchange.status, time.perf_counter() - begin)

    async def _try(self, scope: Scope, exchange: _Exchange) -> Refused | None:
        """Let the routes answer, and return why they did not, if they did not."""
        settings, path = self.context.settings, scope["path"]
        keys, limit_s = self._keys, settings.timeout_s
        if self._event_keys is not None and path.startswith(_OF_EVENTS):
            keys, limit_s = self._event_keys, settings.event_timeout_s + _SPARE_S
        try:
            if path not in _OPEN:
                keys.check(scope["headers"])
            exchange.check_length(scope)
            async with asyncio.timeout(limit_s) as exchange.deadline:
                await self.app(scope, exchange.receive, exchange.send)
        except Refused as error:
            return error
        except ClientDisconnect:
            return None
        except TimeoutError:
            return late(limit_s, whole=exchange.is_whole)
        except Exception as error:  # noqa: BLE001 (the last place where our own fault can be answered)
            self.context.journal.fault(error)
            return fault()
        return None


class _Exchange:
    """Receives a request of at most so many bytes, and sends its response; `status` 0 as long as none has begun.

    The deadline is for making the response. How long it may take to be sent is the connection's to say.
    """

    deadline: asyncio.Timeout | None = None
    status = 0
    is_whole = False
    _size = 0

    def __init__(self, context: ServerContext, receive: Receive, send: Send) -> None:
        self._status = context.status
        self._most = context.settings.max_body_bytes
        self._receive = receive
        self._send = send

    def check_length(self, scope: Scope) -> None:
        """Refuse a body by the length that its head has, before any of it is read."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._most:
                raise too_large(self._most)

    async def receive(self) -> Message:
        """Receive a part of the request."""
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            raise too_large(self._most)
        self.is_whole = self.is_whole or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response; the last one of its connection where the server is told to stop."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.deadline is not None and not self.deadline.expired():
                self.deadline.reschedule(None)
            if self._status.is_ending:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)


def _route_of(path: str) -> str:
    """Return the route under which a request is counted."""
    if path in _PATHS:
        return path
    return next((route.path for route in _BELOW if path.startswith(route.prefix)), "other")
