"""JSON to an address by HTTP, by the standard library.

Nothing of the address comes into an error: it may be a secret.
"""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, IncompleteRead, InvalidURL
from typing import IO, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from featurectl.core.secrets import address_secrets, address_users, basic_login, hide_repeated
from featurectl.core.version import __version__
from featurectl.notifiers.base import NotSentError, reason_of
from featurectl.notifiers.deadline import TOTAL_S, within

TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 2_000  # of an answer
_MOST_SHOWN: Final = 200
_AGAIN: Final = (408, 425, 429)
_WORD: Final = 7  # a part of an address that is longer may be a secret of its own
_OF_ANY_TEXT: Final = re.compile("[a-z]{,12}")  # "services", of which Slack's "no_service" is no piece
_LONGEST_S: Final = 86_400.0  # that another side may ask to wait


class _Answer(NamedTuple):
    status: int
    text: str
    headers: Message


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is sent would become a GET, or go where nobody meant it to."""

    def redirect_request(  # noqa: PLR0913, PLR0917 (as Python calls it)
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return None: the answer stays an error."""


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


def post_json(
    what: str,
    url: str,
    document: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
    secret: str = "",
) -> str:
    """Send a document and return the text of the answer, which was 2xx; a user in the address logs in.

    What an answer repeats of the address, or of a secret in the document, is left out.

    Raises:
        NotSentError: it was not; `again` unless the answer was another 4xx, a redirect, or the address is none.
    """
    parts = _split(what, url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    body = json.dumps(document, ensure_ascii=False, default=str).encode()
    own = {"content-type": "application/json", "user-agent": f"featurectl/{__version__}", **_login(parts)}
    try:
        request = urllib.request.Request(address, body, {**own, **(headers or {})}, method="POST")  # noqa: S310 (checked above)
        status, text, given = within(TOTAL_S, lambda: _exchange(request))
    except (InvalidURL, ValueError):
        raise _no_url(what) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NotSentError(f"{what} can't be reached: {reason_of(reason)}", again=True, down=True) from None
    text = _without(text.replace(secret, "...") if secret else text, parts)
    # In base64, too, and where it is cut off; the name of a user may be a key.
    words = {word for word in _long_words(parts) if not _OF_ANY_TEXT.fullmatch(word)}
    text = hide_repeated(text, address_secrets(url) | address_users(url) | words | ({secret} - {""}))
    if not 200 <= status < 300:
        raise _refused(what, _Answer(status, text, given))
    return text


def answered(what: str, answer: str) -> str:
    """Return in one line that a server took something, and what it said.

    >>> answered("the webhook", ""), answered("the webhook", "thank  you")
    ('the webhook took it', 'the webhook took it: thank you')
    """
    text = " ".join(answer.split())[:_MOST_SHOWN]
    return f"{what} took it{': ' if text else ''}{text}"


def _exchange(request: urllib.request.Request) -> _Answer:
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            body = answer.read(_MOST_BYTES)
            if answer.length and len(body) < _MOST_BYTES:
                raise IncompleteRead(body)  # else what was cut off would count as another answer
            return _Answer(answer.status, body.decode("utf-8", "replace"), answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, _text(error), error.headers)


def _text(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(_MOST_BYTES).decode("utf-8", "replace")
    except (OSError, HTTPException):  # it is refused all the same
        return ""


def _split(what: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        raise _no_url(what)
    return parts


def _no_url(what: str) -> NotSentError:
    return NotSentError(f"{what}: its address is no http or https URL", again=False)


def _login(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    return {"authorization": f"Basic {basic_login(unquote(parts.username), unquote(parts.password or ''))}"}


def _refused(what: str, answer: _Answer) -> NotSentError:
    text = " ".join(answer.text.split())[:_MOST_SHOWN]
    again = answer.status in _AGAIN or answer.status >= 500
    after_s = _seconds(answer.headers.get("retry-after")) if again else None
    return NotSentError(f"{what} answered {answer.status}{': ' if text else ''}{text}", again=again, after_s=after_s)


def _without(text: str, parts: SplitResult) -> str:
    """Return an answer without what it repeats of the address, as servers do that know no such path.

    >>> _without("Cannot POST /services/T0/hush", urlsplit("https://hooks.test/services/T0/hush"))
    'Cannot POST ...'
    """
    secrets = {part for part in (parts.path, parts.query, parts.password or "") if len(part) > 1}
    wholes = {whole for part in secrets for whole in (part, unquote(part)) if len(whole) > _WORD}
    for secret in sorted(secrets | wholes | _long_words(parts), key=len, reverse=True):
        text = text.replace(secret, "...")
    return text


def _long_words(parts: SplitResult) -> set[str]:
    """Return the parts of an address's path, query and password that may each be a secret."""
    texts = (parts.path, parts.query, parts.password or "")
    return {word for text in texts for word in re.split("[/&=]", text) if len(word) > _WORD}


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After, a number or a date, at most a day; None when it is neither.

    >>> _seconds("30"), _seconds("soon"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT")
    (30.0, None, 0.0)
    >>> _seconds("9" * 400), _seconds("1.2.3"), _seconds("nan")
    (86400.0, None, None)
    """
    if text is None:
        return None
    try:
        asked_s = float(text)
    except ValueError:
        try:
            asked_s = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return None if math.isnan(asked_s) else min(max(asked_s, 0.0), _LONGEST_S)
