"""Failures as `application/problem+json` (Source: RFC 9457): the status, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from featurectl.core.errors import DataError, FeaturectlError, StoreError, UsageError
from featurectl.online.corrupt_rows import BrokenRecordError, BrokenRowError
from featurectl.serving.http.bodies import ENCODER
from featurectl.serving.pushed_views import NOT_SERVED

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


_MOST_DETAIL: Final = 4_000  # characters


class Refused(Exception):  # noqa: N818 (an answer, not an error of ours)
    """A request that gets a problem for an answer; `fault`: by the fault of a model, not of the request."""

    def __init__(
        self, status: int, detail: str, *, code: str = "", hint: str = "", fault: bool = False, **more: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.hint = hint
        self.fault = fault
        self.more = more


class StoreFailed(Refused):
    """A request that can't be answered as a store fails."""


def problem(refused: Refused) -> Response:
    """Return the answer of a refused request."""
    status = refused.status
    document: dict[str, object] = {"type": "about:blank", "title": TITLES[status], "status": status}
    document["detail"] = _cut(refused.detail)
    document |= {"code": refused.code} if refused.code else {}
    document |= {"hint": refused.hint} if refused.hint else {}
    document |= refused.more
    headers = {"retry-after": "1"} if status in (409, 503) else {}
    headers |= {"connection": "close"} if status == 408 else {}  # what is left of the request may never come
    headers |= {"www-authenticate": "Bearer"} if status == 401 else {}
    content = ENCODER.encode(document)
    return Response(content, status_code=status, media_type="application/problem+json", headers=headers)


def raw_problem(status: int, detail: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a problem as a whole response, which closes its connection."""
    response = problem(Refused(status, detail))
    lines = [b"%b: %b\r\n" % pair for pair in [*headers, *response.raw_headers, (b"connection", b"close")]]
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, TITLES[status].encode(), b"".join(lines), bytes(response.body))


def too_large(most: int) -> Refused:
    """Return why a request with a body of more than so many bytes is refused."""
    return Refused(413, f"the body is larger than {most:,} bytes")


def late(limit_s: float, *, whole: bool) -> Refused:
    """Return why a request whose time is over is refused; `whole`: all of it was there."""
    if whole:
        return Refused(503, f"no answer within {limit_s:g} s")
    return Refused(408, f"the request did not arrive within {limit_s:g} s")


def fault() -> Refused:
    """Return what is said of a fault that is ours; what it was stands in the log alone."""
    return Refused(500, "a fault of the server; its log has the details")


def _cut(text: str) -> str:
    """Return a text without the middle of what is too long: it may quote all of a request."""
    return text if len(text) <= _MOST_DETAIL else f"{text[: _MOST_DETAIL // 2]} ... {text[-_MOST_DETAIL // 4 :]}"


def refusal(error: FeaturectlError) -> Refused:
    """Return how an error of the reader or of a store is answered: bad input 400, an unknown name 404, a store 503."""
    code = error.code
    if code in NOT_SERVED:
        return StoreFailed(503, error.message, code=code, hint=error.hint)
    match error:
        case DataError() if code == "FC507":  # a sum of events is too large: no other request mends it
            return StoreFailed(500, error.message, code=code, hint=error.hint)
        case DataError():
            return Refused(400, error.message, code=code, hint=error.hint)
        case UsageError():
            return Refused(400 if code else 404, error.message, code=code, hint=error.hint)
        case BrokenRecordError() | BrokenRowError():  # of which nothing is put right by asking again, or another server
            return StoreFailed(500, error.message, code=code, hint=error.hint)
        case StoreError():
            return StoreFailed(503, error.message, code=code)
        case _:
            return Refused(503, error.message, code=code, hint=error.hint)
