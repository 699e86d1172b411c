"""What a route says of itself: its path, once; who answers; what its document says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.settings import ServeSettings

RouteAnswer = Callable[[ServerContext, Request], Awaitable[Response]]


def _no_schemas(_: ServeSettings) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRoute:
    """A path with at most one parameter, its last segment, and what answers it.

    `operation` and `schemas` are its parts of the OpenAPI document. `needs_key` False: for whoever watches the
    process, it shows no data. `takes_events`: it has keys and a time limit of its own, and is there for servers that
    take events.
    """

    path: str
    answer: RouteAnswer
    operation: Mapping[str, Any]
    schemas: Callable[[ServeSettings], Mapping[str, Any]] = field(default=_no_schemas)
    method: Literal["GET", "POST"] = "GET"
    needs_key: bool = True
    takes_events: bool = False

    @property
    def prefix(self) -> str:
        """The path up to its parameter; all of it where it has none."""
        return self.path.partition("{")[0]

    @property
    def parameter(self) -> str:
        """The name of its parameter, "" where it has none."""
        return self.path.partition("{")[2].rstrip("}")
