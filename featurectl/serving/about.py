"""What a server says of itself: whether it lives, whether it is ready, what it serves, what it has counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.metrics import CONTENT_TYPE
from featurectl.serving.openapi import document
from featurectl.serving.requests import answered
from featurectl.serving.server import ready_problems

if TYPE_CHECKING:
    from featurectl.serving.app import Server


async def health(request: Request) -> Response:
    """Answer that the process lives; nothing is looked at."""
    server: Server = request.app.state.server
    models = sorted(model.label for model in server.served.models.values())
    uptime = round(time.monotonic() - server.started_s, 3)
    return answered({"status": "ok", "model": models[0] if len(models) == 1 else models,
                     "server": server.name, "uptime": uptime})  # fmt: skip


async def ready(request: Request) -> Response:
    """Answer whether requests can be answered: the store is reached, models are proven, views fresh enough."""
    server: Server = request.app.state.server
    problems = await ready_problems(server)
    serial = server.served.catalog.state.serial
    answer = answered({"status": "not ready" if problems else "ready", "problems": problems, "serial": serial})
    answer.status_code = 503 if problems else 200
    return answer


async def models(request: Request) -> Response:
    """Answer which models are served, with what each asks for."""
    served = (server := _server(request)).served
    state = served.catalog.state
    told = []
    for name in served.names():
        versions = [v.version for v in state.model_versions if v.model == name]
        aliases = {alias: number for (model, alias), number in state.aliases.items() if model == name}
        loaded = sorted(number for model, number in served.models if model == name)
        first = next((m for (model, _), m in sorted(served.models.items()) if model == name), None)
        columns = first.reader.columns if first else []
        one: dict[str, object] = {
            "model": name,
            "versions": versions,
            "aliases": aliases,
            "loaded": loaded,
            "columns": columns,
        }
        canary = served.canaries.get(name)
        run = canary.run if canary else None
        one["canary"] = {"version": run.challenger, "percent": run.percent} if run else None
        told.append(one)
    return answered({"models": told, "failures": served.failures, "server_name": server.name})


async def views(request: Request) -> Response:
    """Answer which views are served, with their keys and features, and how old they are."""
    server = _server(request)
    now = server.features.now()
    told = []
    for view in server.served.catalog.views():
        record, age = server.features.pushes.record(view), server.age_us(view, now)
        names = [*(f.name for f in view.view.features), *(d.name for d in view.view.derived)]
        told.append(
            {
                "view": view.online.view,
                "version": view.online.version,
                "keys": dict(view.view.key_types),
                "features": {name: view.view.dtype_of(name) for name in names},
                "computed_at": record.computed_at if record else None,
                "entities": record.entities if record else 0,
                "age_seconds": None if age is None else age / 1e6,
            }
        )
    return answered({"views": told, "server_name": server.name})


async def metrics(request: Request) -> Response:
    """Answer what was counted, in the text format of Prometheus."""
    return Response(_server(request).metrics.text(), headers={"content-type": CONTENT_TYPE})


async def openapi(request: Request) -> Response:
    """Answer with the OpenAPI document of these routes."""
    return answered(document(_server(request).settings))


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server
