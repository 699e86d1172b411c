"""What a route says of itself: its path, once; who answers; what its document says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import field
from functools import wraps
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from featurectl.core.dataclass import dataclass
from featurectl.serving.context import ServerContext
from featurectl.serving.http.requests import FEW_BYTES, content_of, give_way
from featurectl.serving.settings import ServeSettings

RouteAnswer = Callable[[ServerContext, Request], Awaitable[Response]]
BodyAnswer = Callable[[ServerContext, bytes, str], Coroutine[Any, Any, Response]]  # a body, and the path's parameter


def reads_body(answer: BodyAnswer) -> RouteAnswer:
    """Return what reads the body of a request, and then answers it."""

    @wraps(answer)
    async def read(context: ServerContext, request: Request) -> Response:
        content = await content_of(request)
        if len(content) > FEW_BYTES:
            await give_way()
        return await answer(context, content, *request.path_params.values() or ("",))

    return read


def _no_schemas(_: ServeSettings) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRoute:
    """A path with at most one parameter, its last segment, and what answers it.

    `operation` and `schemas` are its parts of the OpenAPI document. `needs_key` False: for whoever watches the
    process, it shows no data. `answer_body` answers a POST whose body is there, from the protocol: what ASGI does
    around it takes longer than the rest of such a request. `takes_events`: it has keys and a time limit of its own,
    and is there for servers that take events.
    """

    path: str
    answer: RouteAnswer
    operation: Mapping[str, Any]
    schemas: Callable[[ServeSettings], Mapping[str, Any]] = field(default=_no_schemas)
    method: Literal["GET", "POST"] = "GET"
    needs_key: bool = True
    answer_body: BodyAnswer | None = None
    takes_events: bool = False

    @property
    def prefix(self) -> str:
        """The path up to its parameter; all of it where it has none."""
        return self.path.partition("{")[0]

    @property
    def parameter(self) -> str:
        """The name of its parameter, "" where it has none."""
        return self.path.partition("{")[2].rstrip("}")
