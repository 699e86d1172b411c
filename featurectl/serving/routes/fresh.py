"""`GET /fresh`: whether what is served is as fresh as it promises."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.freshness import age_seconds
from featurectl.serving.http.requests import answered_verdict
from featurectl.serving.readiness import late_views
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import TEXT, WARNINGS, get_verdict, list_of_objects, object_of


async def answer_fresh(context: ServerContext, _: Request) -> Response:
    """Answer whether the views that are served are as fresh as they promise."""
    problems = await late_views(context)
    now, pushes = context.features.now(), context.features.pushes
    views = [
        {
            "view": view.online.view,
            "version": view.online.version,
            "age_seconds": age_seconds(pushes, view, now),
        }
        for view in context.project.read_views()
    ]
    document = {"status": "stale" if problems else "fresh", "problems": problems, "views": views}
    return answered_verdict(document, is_good=not problems)


ROUTE: Final = HttpRoute(
    path="/fresh",
    answer=answer_fresh,
    operation=get_verdict(
        "Views are as fresh as they promise",
        "Stale",
        object_of(status=TEXT, problems=WARNINGS, views=list_of_objects()),
    ),
    needs_key=False,
)
