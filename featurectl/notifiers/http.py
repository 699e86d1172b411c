"""JSON to an address by HTTP, by the standard library.

Nothing of the address comes into an error: it may be a secret.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Final
from urllib.parse import urlsplit

from featurectl import __version__
from featurectl.notifiers.base import NotSentError

TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 2_000  # of an answer
_AGAIN: Final = (408, 425, 429)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is sent would become a GET, or go where nobody meant it to."""

    def redirect_request(  # noqa: PLR0913, PLR0917 (as Python calls it)
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return None: the answer stays an error."""


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


def post_json(what: str, url: str, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> str:
    """Send a document and return the text of the answer, which was 2xx.

    Raises:
        NotSentError: it was not; `again` unless the answer was another 4xx, a redirect, or the address is none.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise NotSentError(f"{what}: its address is no http or https URL", again=False)
    body = json.dumps(document, ensure_ascii=False, default=str).encode()
    own = {"content-type": "application/json", "user-agent": f"featurectl/{__version__}"}
    try:
        request = urllib.request.Request(url, body, {**own, **(headers or {})}, method="POST")  # noqa: S310 (checked above)
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            return str(answer.read(_MOST_BYTES).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        raise _refused(what, error) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        told = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        raise NotSentError(f"{what} can't be reached: {told}", again=not isinstance(error, ValueError)) from None


def _refused(what: str, error: urllib.error.HTTPError) -> NotSentError:
    with error:
        try:
            text = " ".join(error.read(_MOST_BYTES).decode("utf-8", "replace").split())[:200]
        except (OSError, HTTPException):
            text = ""
    again = error.code in _AGAIN or error.code >= 500
    after_s = _seconds(error.headers.get("retry-after")) if again else None
    return NotSentError(f"{what} answered {error.code}{': ' if text else ''}{text}", again=again, after_s=after_s)


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After, which is a number or a date; None when it is neither.

    >>> _seconds("30"), _seconds("soon"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT")
    (30.0, None, 0.0)
    """
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
