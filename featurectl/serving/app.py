"""The routes of a server as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from featurectl.core.dataclass import dataclass
from featurectl.serving.background import ServerTasks
from featurectl.serving.context import ServerContext
from featurectl.serving.direct_answers import find_direct
from featurectl.serving.http.keys import ApiKeys
from featurectl.serving.http.problems import Refused, fault, problem
from featurectl.serving.middleware import Guard
from featurectl.serving.routes.all_routes import ROUTES
from featurectl.serving.startup import Beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """The API keys of a server, and those of who sends events; none means that nobody is asked for one."""

    api: Sequence[bytes] = ()
    events: Sequence[bytes] = ()


def make_app(context: ServerContext, tasks: ServerTasks, keys: ServerKeys, beginning: Beginning) -> Guard:
    """Return the application of a server.

    Once it has begun, what needs something that is not loaded is refused.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks.start()
        try:
            async with beginning.of(context.status.is_known):
                yield
        finally:
            await tasks.stop()

    app = Starlette(
        routes=[Route(route.path, partial(route.answer, context), methods=[route.method]) for route in ROUTES],
        lifespan=lifespan,
        exception_handlers={Refused: _reject, HTTPException: _reject, Exception: _fault},
    )
    app.router.redirect_slashes = False
    event_keys = ApiKeys(keys.events, "a key for events") if context.events is not None else None
    return Guard(DirectRoutes(app, context), context, ApiKeys(keys.api), event_keys)


class DirectRoutes:
    """Calls what answers a POST of features or predictions at once; all else goes through the routes of Starlette.

    Its middlewares take longer than the rest of such a request. What fails is answered by `Guard` either way.
    """

    def __init__(self, app: ASGIApp, context: ServerContext) -> None:
        self.app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        found = find_direct(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        if found.parameter:
            scope["path_params"] = {found.route.parameter: found.parameter}
        response = await found.route.answer(self._context, Request(scope, receive, send))
        await response(scope, receive, send)


async def _reject(_: Request, error: Exception) -> Response:
    """Answer a request that is refused here, or by the routes: no such path, a wrong method, too large a body."""
    if isinstance(error, HTTPException):
        answer = problem(Refused(error.status_code, str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer
    assert isinstance(error, Refused)
    return problem(error)


async def _fault(_: Request, __: Exception) -> Response:
    """Answer that the fault is ours; what it was stands in the log alone."""
    return problem(fault())
