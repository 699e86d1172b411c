"""`GET /metrics`: what was counted."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.monitor.prometheus.names import CONTENT_TYPE
from featurectl.serving.context import ServerContext
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import TEXT, Schema, get


async def answer_metrics(context: ServerContext, _: Request) -> Response:
    """Answer what was counted, in the text format of Prometheus."""
    return Response(context.metrics.text(), headers={"content-type": CONTENT_TYPE})


def _operation() -> Schema:
    operation = get("Counts for Prometheus", {}, (401,))
    operation["responses"]["200"]["content"] = {"text/plain": {"schema": TEXT}}
    return operation


ROUTE: Final = HttpRoute(path="/metrics", answer=answer_metrics, operation=_operation())
