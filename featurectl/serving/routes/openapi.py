"""The OpenAPI document of a server: bodies by msgspec's schemas, every answer that a route can give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.core.version import __version__
from featurectl.serving.context import ServerContext
from featurectl.serving.http.requests import answered
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.events import source_paths
from featurectl.serving.routes.schemas import TEXT, get, object_of, problem_schema
from featurectl.serving.settings import ServeSettings

_DESCRIPTION: Final = (
    "The OpenAPI document of a server: bodies by msgspec's schemas, every answer that a route can give."
)


def openapi_route(others: Sequence[HttpRoute]) -> HttpRoute:
    """Return the route of the document of some routes and of itself."""

    async def answer(context: ServerContext, _: Request) -> Response:
        """Answer with the OpenAPI document of these routes."""
        routes = [known for known in (*others, route) if not known.takes_events]
        document = openapi_document(context.settings, routes)
        if context.events is not None:  # of the streams as they are applied
            paths, schemas = source_paths(context)
            document["paths"] |= paths
            document["components"]["schemas"] |= schemas
        return answered(document)

    operation = get("This document", object_of(openapi=TEXT), (401,))
    route = HttpRoute(path="/openapi.json", answer=answer, operation=operation)
    return route


def openapi_document(settings: ServeSettings, routes: Sequence[HttpRoute]) -> dict[str, Any]:
    """Return the document of some routes."""
    schemas: dict[str, Any] = {}
    for route in routes:
        schemas |= route.schemas(settings)
    return {
        "openapi": "3.1.0",
        "info": {"title": "featurectl", "version": __version__, "description": _DESCRIPTION},
        "paths": {route.path: {route.method.lower(): route.operation} for route in routes},
        "components": {"schemas": schemas | {"Problem": problem_schema()}},
    }
