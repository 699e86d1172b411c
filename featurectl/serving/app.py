"""The routes of a server as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from featurectl.serving import about
from featurectl.serving.features import read_features
from featurectl.serving.flat import predict_flat
from featurectl.serving.guard import Guard
from featurectl.serving.predictions import predict
from featurectl.serving.problems import Refused, problem
from featurectl.serving.server import Server
from featurectl.serving.startup import Beginning

__all__ = ["Server", "make_app"]

PREDICT_PREFIX: Final = "/v1/predict/"
Handler = Callable[[Request], Awaitable[Response]]


def make_app(server: Server, keys: Sequence[bytes], beginning: Beginning) -> Guard:
    """Return the application of a server; `keys` are the API keys, none means that nobody is asked for one.

    Once it has begun, what needs something that is not loaded is refused.
    """
    routes = [
        Route("/v1/features", read_features, methods=["POST"]),
        Route("/v1/predict/{model}", predict, methods=["POST"]),
        Route("/predict", predict_flat, methods=["POST"]),
        Route("/health", about.health),
        Route("/ready", about.ready),
        Route("/fresh", about.fresh),
        Route("/metrics", about.metrics),
        Route("/v1/models", about.models),
        Route("/v1/views", about.views),
        Route("/openapi.json", about.openapi),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server.start()
        try:
            async with beginning.of(server.follower):
                yield
        finally:
            await server.stop()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={Refused: _reject, HTTPException: _reject, Exception: _fault},
    )
    app.router.redirect_slashes = False
    app.state.server = server
    return Guard(_Hurried(app), server, keys, [route.path for route in routes])


class _Hurried:
    """Calls what answers a POST of features or predictions at once; all else goes through the routes of Starlette.

    Its middlewares take longer than the rest of such a request. What fails is told by `Guard` either way.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._handlers: dict[str, Handler] = {"/v1/features": read_features, "/predict": predict_flat}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        handler = self._handler(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)

    def _handler(self, scope: Scope) -> Handler | None:
        path: str = scope["path"]
        handler = self._handlers.get(path)
        if handler is None and path.startswith(PREDICT_PREFIX):
            model = path[len(PREDICT_PREFIX) :]
            if model and "/" not in model:
                scope["path_params"] = {"model": model}
                return predict
        return handler


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
    return problem(Refused(500, "a fault of the server; its log has the details"))
