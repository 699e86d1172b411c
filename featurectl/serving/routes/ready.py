"""`GET /ready`: whether requests can be answered."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.http.requests import answered_verdict
from featurectl.serving.readiness import Readiness, check_ready
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import TEXT, WARNINGS, get_verdict, object_of

ENDING: Final = "the server has been told to stop"
_SERIAL: Final = {"type": ["integer", "null"], "description": "Of the registry; null until what is served is loaded."}


async def answer_ready(context: ServerContext, _: Request) -> Response:
    """Answer whether requests can be answered: the store is reached, what is served is loaded and proven."""
    found = Readiness(problems=[ENDING]) if context.status.is_ending else await check_ready(context)
    status = "not ready" if found.problems else "ready"
    project = context.status.project
    serial = project.catalog.state.serial if project else None
    document = {"status": status, "problems": found.problems, "warnings": found.warnings, "serial": serial}
    return answered_verdict(document, is_good=not found.problems)


ROUTE: Final = HttpRoute(
    path="/ready",
    answer=answer_ready,
    operation=get_verdict(
        "Requests can be answered",
        "Not ready",
        object_of(status=TEXT, problems=WARNINGS, warnings=WARNINGS, serial=_SERIAL),
    ),
    needs_key=False,
)
