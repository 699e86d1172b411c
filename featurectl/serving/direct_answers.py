"""What answers requests that a path and a body say all of, as `Guard` does others: keys, a deadline, a count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, Protocol

from starlette.responses import Response

from featurectl.core.dataclass import dataclass
from featurectl.core.deadlines import Deadlines
from featurectl.serving.context import ServerContext
from featurectl.serving.http.keys import ApiKeys
from featurectl.serving.http.problems import Refused, fault, late, problem
from featurectl.serving.http.requests import FEW_BYTES, give_way
from featurectl.serving.routes.all_routes import ROUTES
from featurectl.serving.routes.base import BodyAnswer, HttpRoute


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRoute:
    """A route that answers a POST by its body, and the value of the parameter in its path, "" where it has none."""

    route: HttpRoute
    answer: BodyAnswer
    parameter: str = ""


_WHOLE: Final = {
    route.path: DirectRoute(route=route, answer=route.answer_body)
    for route in ROUTES
    if route.answer_body and not route.parameter
}
_BELOW: Final = [(route, route.answer_body) for route in ROUTES if route.answer_body and route.parameter]
_MOST_KNOWN, _SHORT = 256, 128  # addresses, and bytes of one: models have the names that clients say
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")


def find_direct(path: str) -> DirectRoute | None:
    """Return what answers a POST to a path, as it is without escapes; None where it is no such route."""
    if (found := _WHOLE.get(path)) is not None:
        return found
    for route, answer in _BELOW:
        value = path[len(route.prefix) :]
        if value and "/" not in value and path.startswith(route.prefix):
            return DirectRoute(route=route, answer=answer, parameter=value)
    return None


class UnderWay(Protocol):
    """A request whose answer is due."""

    route: DirectRoute
    begin_s: float

    def expire(self) -> None:
        """Give up: its time is over."""


class DirectAnswers:
    """Answers the requests of a process, and gives up those whose time is over."""

    def __init__(self, context: ServerContext, keys: ApiKeys) -> None:
        self.max_body_bytes = context.settings.max_body_bytes
        self._context = context
        self._keys = keys
        self._limit_s = context.settings.timeout_s
        self._found: dict[bytes, DirectRoute] = {}  # by address
        self._under_way: set[UnderWay] = set()
        self._deadlines = Deadlines[UnderWay](lambda request: request.expire())

    def find(self, url: bytes) -> DirectRoute | None:
        """Return what answers a POST to an address; None where there is none, or it takes a closer look."""
        if (known := self._found.get(url)) is not None:
            return known
        found = find_direct(url.decode()) if _PLAIN.issuperset(url) else None
        if found is not None and len(url) <= _SHORT and len(self._found) < _MOST_KNOWN:
            self._found[url] = found
        return found

    def is_refused(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return whether the head of a request says that nobody waits for its body: it has no key, or is too large."""
        if not self._keys.allow(headers):
            return True
        for name, value in headers:
            if name == b"content-length" and value.isdigit() and int(value) > self.max_body_bytes:
                return True
        return False

    def begin(self, request: UnderWay, now_s: float) -> None:
        """Count a request whose head is there by the clock of the loop, and give it up when its time is over."""
        self._context.metrics.in_flight.inc()
        self._under_way.add(request)
        self._deadlines.add(request, now_s + self._limit_s)

    def end(self, request: UnderWay, status: int) -> None:
        """Count the answer of a request, once; 0 is none."""
        if request not in self._under_way:
            return
        self._under_way.remove(request)
        self._deadlines.remove(request)
        metrics = self._context.metrics
        metrics.in_flight.dec()
        metrics.count_request(request.route.route.path, "POST", status, time.perf_counter() - request.begin_s)

    async def respond(self, route: DirectRoute, content: bytes) -> Response:
        """Return the answer of a request, whatever happens."""
        try:
            if len(content) > FEW_BYTES:
                await give_way()
            return await route.answer(self._context, content, route.parameter)
        except Refused as error:
            return problem(error)
        except Exception as error:  # noqa: BLE001 (the last place where our own fault can be answered)
            self._context.journal.fault(error)
            return problem(fault())

    def late(self, *, whole: bool) -> Response:
        """Return the answer of a request whose time is over; `whole`: all of it was there."""
        return problem(late(self._limit_s, whole=whole))
