"""The routes of a server as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from featurectl.serving.background import ServerTasks
from featurectl.serving.context import ServerContext
from featurectl.serving.http.keys import ApiKeys
from featurectl.serving.http.problems import Refused, fault, problem
from featurectl.serving.middleware import RequestMiddleware
from featurectl.serving.routes.all_routes import ROUTES
from featurectl.serving.startup import Beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """The API keys of a server, and those of who sends events; none means that nobody is asked for one."""

    api: Sequence[bytes] = ()
    events: Sequence[bytes] = ()


def make_app(context: ServerContext, tasks: ServerTasks, keys: ServerKeys, beginning: Beginning) -> RequestMiddleware:
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
    return RequestMiddleware(app, context, ApiKeys(keys.api), event_keys)


async def _reject(_: Request, error: Exception) -> Response:
    """Answer a request that is refused by its route, or by Starlette: no such path, or a wrong method."""
    if isinstance(error, HTTPException):
        answer = problem(Refused(error.status_code, str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer
    assert isinstance(error, Refused)
    return problem(error)


async def _fault(_: Request, __: Exception) -> Response:
    """Answer that the fault is ours; what it was stands in the log alone."""
    return problem(fault())
