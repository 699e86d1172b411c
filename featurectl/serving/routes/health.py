"""`GET /health`: the process lives."""

from __future__ import annotations

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.http.requests import answered
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import NUMBER, TEXT, get, object_of


async def answer_health(context: ServerContext, _: Request) -> Response:
    """Answer that the process lives; nothing is looked at."""
    project = context.status.project
    models = sorted(model.label for model in project.models.values()) if project else []
    uptime = round(time.monotonic() - context.started_s, 3)
    return answered({"status": "ok", "model": models[0] if len(models) == 1 else models,
                     "server": context.name, "uptime": uptime})  # fmt: skip


ROUTE: Final = HttpRoute(
    path="/health",
    answer=answer_health,
    operation=get("The process lives", object_of(status=TEXT, server=TEXT, uptime=NUMBER), ()),
    needs_key=False,
)
