"""`GET /v1/views`: which views are served."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.serving.context import ServerContext
from featurectl.serving.freshness import age_seconds
from featurectl.serving.http.requests import answered
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import TEXT, get, list_of_objects, object_of


async def answer_views(context: ServerContext, _: Request) -> Response:
    """Answer which views are served, with their keys and features, and how old they are."""
    catalog, now = context.project.catalog, context.features.now()
    views = [_view(context.features.pushes, view, now) for view in catalog.views()]
    waiting = catalog.waiting(begun=context.status.begun)
    return answered({"views": views, "waiting": waiting, "server_name": context.name})


def _view(pushes: Pushes, view: ReadView, now: datetime) -> dict[str, object]:
    record = pushes.record(view)
    return {
        "view": view.online.view,
        "version": view.online.version,
        "keys": dict(view.view.key_types),
        "features": view.view.current_types,
        "computed_at": record.computed_at if record else None,
        "entities": None if view.view.source.is_stream else record.entities if record else 0,
        "age_seconds": age_seconds(pushes, view, now),
    }


ROUTE: Final = HttpRoute(
    path="/v1/views",
    answer=answer_views,
    operation=get("Views that are served", object_of(views=list_of_objects(), server_name=TEXT), (401,)),
)
