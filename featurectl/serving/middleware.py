"""Around every request: keys, a deadline, a count of what came of it; failures become problems."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurectl.serving.context import ServerContext
from featurectl.serving.direct_answers import DirectAnswers
from featurectl.serving.http.keys import ApiKeys
from featurectl.serving.http.problems import Refused, fault, late, problem, too_large
from featurectl.serving.http.requests import ENDING
from featurectl.serving.routes import ready
from featurectl.serving.routes.all_routes import ROUTES

_OPEN: Final = frozenset(route.path for route in ROUTES if not route.needs_key)
_PATHS: Final = frozenset(route.path for route in ROUTES)
_BELOW: Final = [route for route in ROUTES if route.parameter]
_OF_EVENTS: Final = tuple(route.prefix for route in ROUTES if route.takes_events)
_SPARE_S: Final = 0.5  # who takes events says itself that its time is over


class Guard:
    """Wraps the routes of a server; `direct` answers those that need no ASGI."""

    def __init__(self, app: ASGIApp, context: ServerContext, keys: ApiKeys, event_keys: ApiKeys | None) -> None:
        """Wrap routes; `event_keys` are for those that take events, None where none does."""
        self.app = app
        self.context = context
        self._keys = keys
        self._event_keys = event_keys
        self.direct = DirectAnswers(context, keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        metrics, begin, answer = self.context.metrics, time.perf_counter(), _Answer(send)
        metrics.in_flight.inc()
        try:
            await self._answer(scope, receive, answer)
        finally:
            metrics.in_flight.dec()
            route = _route_of(scope["path"])
            metrics.count_request(route, _method(scope["method"]), answer.status, time.perf_counter() - begin)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        arrival = _Arrival(receive, self.context.settings.max_body_bytes)
        refused = await self._try(scope, arrival, answer)
        answer.deadline = None
        if refused is not None and answer.status == 0:
            await problem(refused)(scope, receive, answer)

    async def _try(self, scope: Scope, arrival: _Arrival, answer: _Answer) -> Refused | None:
        """Let the routes answer, and return why they did not, if they did not."""
        of_events = self._event_keys is not None and scope["path"].startswith(_OF_EVENTS)
        settings = self.context.settings
        limit_s = settings.event_timeout_s + _SPARE_S if of_events else settings.timeout_s
        try:
            if scope["path"] == ready.ROUTE.path and scope.get("state", {}).get(ENDING):
                await ready.answer_ending(self.context)(scope, arrival, answer)
                return None
            if scope["path"] not in _OPEN:
                keys = self._event_keys if of_events and self._event_keys is not None else self._keys
                keys.check(scope["headers"])
            arrival.check_length(scope)
            async with asyncio.timeout(limit_s) as answer.deadline:
                await self.app(scope, arrival, answer)
        except Refused as error:
            return error
        except HTTPException as error:  # no such route, wrong method, too large a body
            return Refused(error.status_code, str(error.detail))
        except ClientDisconnect:
            return None
        except TimeoutError:
            return late(limit_s, whole=arrival.whole)
        except Exception as error:  # noqa: BLE001 (the last place where our own fault can be answered)
            self.context.journal.fault(error)
            return fault()
        return None


class _Arrival:
    """Receives a request of at most so many bytes, and remembers whether all of its body came."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._size = 0
        self.whole = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            raise too_large(self._most)
        self.whole = self.whole or not message.get("more_body", False)
        return message

    def check_length(self, scope: Scope) -> None:
        """Refuse a body by the length that its head has, before any of it is read."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._most:
                raise too_large(self._most)


class _Answer:
    """Sends an answer, and remembers its status; 0 as long as none has begun.

    The deadline is for making it. How long it may take to be sent is the connection's to say.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.deadline: asyncio.Timeout | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.deadline is not None:
                self.deadline.reschedule(None)
        await self._send(message)


def _route_of(path: str) -> str:
    """Return the route under which a request is counted."""
    if path in _PATHS:
        return path
    return next((route.path for route in _BELOW if path.startswith(route.prefix)), "other")


def _method(method: str) -> str:
    return method if method in {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"} else "other"
