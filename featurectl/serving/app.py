"""The routes of a server as one ASGI application."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from featurectl.serving import about
from featurectl.serving.features import read_features
from featurectl.serving.flat import predict_flat
from featurectl.serving.guard import Guard
from featurectl.serving.predict import predict
from featurectl.serving.problems import Refused, problem
from featurectl.serving.server import Server

__all__ = ["Server", "make_app"]


def make_app(server: Server, keys: Sequence[bytes]) -> Guard:
    """Return the application of a server; `keys` are the API keys, none means that nobody is asked for one."""
    routes = [
        Route("/v1/features", read_features, methods=["POST"]),
        Route("/v1/predict/{model}", predict, methods=["POST"]),
        Route("/predict", predict_flat, methods=["POST"]),
        Route("/health", about.health),
        Route("/ready", about.ready),
        Route("/metrics", about.metrics),
        Route("/v1/models", about.models),
        Route("/v1/views", about.views),
        Route("/openapi.json", about.openapi),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server.start()
        # What is there by now stays: it need not be looked at again, and seldom what comes.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 1_000)
        yield
        await server.stop()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={Refused: _refuse, HTTPException: _refuse, Exception: _fault},
    )
    app.state.server = server
    return Guard(app, server, keys, [route.path for route in routes])


async def _refuse(_: Request, error: Exception) -> Response:
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
