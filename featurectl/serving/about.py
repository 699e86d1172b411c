"""What a server says of itself: whether it lives, whether it is ready, what it serves, what it has counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.metrics import CONTENT_TYPE
from featurectl.serving.openapi import document
from featurectl.serving.readiness import check_fresh, check_ready, served_views
from featurectl.serving.requests import answered

if TYPE_CHECKING:
    from featurectl.serving.app import Server


async def health(request: Request) -> Response:
    """Answer that the process lives; nothing is looked at."""
    server: Server = request.app.state.server
    served = server.follower.served
    models = sorted(model.label for model in served.models.values()) if served else []
    uptime = round(time.monotonic() - server.started_s, 3)
    return answered({"status": "ok", "model": models[0] if len(models) == 1 else models,
                     "server": server.name, "uptime": uptime})  # fmt: skip


async def ready(request: Request) -> Response:
    """Answer whether requests can be answered: the store is reached, what is served is loaded and proven."""
    server: Server = request.app.state.server
    found = await check_ready(server)
    served = server.follower.served
    told = {"status": "not ready" if found.problems else "ready", "problems": found.problems}
    serial = served.catalog.state.serial if served else None
    return _verdict(told | {"warnings": found.warnings, "serial": serial}, is_good=not found.problems)


async def fresh(request: Request) -> Response:
    """Answer whether the views that are served are as fresh as they promise."""
    server: Server = request.app.state.server
    problems = await check_fresh(server)
    now = server.features.now()
    views = [
        {"view": view.online.view, "version": view.online.version, "age_seconds": _seconds(server.age_us(view, now))}
        for view in served_views(server.served)
    ]
    status = "stale" if problems else "fresh"
    return _verdict({"status": status, "problems": problems, "views": views}, is_good=not problems)


def _verdict(document: dict[str, object], *, is_good: bool) -> Response:
    answer = answered(document)
    if not is_good:
        answer.status_code = 503
        answer.headers["retry-after"] = "1"
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
                "age_seconds": _seconds(age),
            }
        )
    return answered({"views": told, "waiting": server.served.catalog.waiting(), "server_name": server.name})


def _seconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / 1e6


async def metrics(request: Request) -> Response:
    """Answer what was counted, in the text format of Prometheus."""
    return Response(_server(request).metrics.text(), headers={"content-type": CONTENT_TYPE})


async def openapi(request: Request) -> Response:
    """Answer with the OpenAPI document of these routes."""
    return answered(document(_server(request).settings))


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server
