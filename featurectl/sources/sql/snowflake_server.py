"""What Snowflake says of what fails, and whether it answers at all."""

from __future__ import annotations

import re
from http.client import HTTPException
from ssl import SSLError
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from featurectl.core.postgres import CONNECT_S

_SAID: Final = re.compile(r"\[Snowflake\] (?:\d+ \(\w+\): )*(.*?)\.? Vendor code: ", re.DOTALL)
_KIND: Final = re.compile(r"^[A-Z_]+: (\[Snowflake\] )?")  # how ADBC begins its errors
_LONGEST: Final = 500  # characters of what is said
_OF_SESSIONS: Final = range(390_000, 400_000)  # logins, tokens and sessions that have ended
_OF_DRIVERS: Final = range(260_000, 270_000)  # requests that could not be made, answers that could not be read


def said(error: Exception) -> str:
    r"""Return in a line what the server or the driver said.

    >>> said(Exception("NOT_FOUND: [Snowflake] 002003 (42S02): SQL compilation error:\nNo T. Vendor code: 2003. X"))
    'SQL compilation error: No T'
    >>> said(Exception("IO: dial tcp 127.0.0.1:1: connect: connection refused"))
    'dial tcp 127.0.0.1:1: connect: connection refused'
    """
    text = str(error)
    found = _SAID.search(text)
    line = " ".join((found[1] if found else _KIND.sub("", text)).split())
    return line[:_LONGEST] or type(error).__name__


def is_of_query(error: Exception) -> bool:
    """Return whether the server has refused a statement: else it, the session or the network have failed."""
    code = getattr(error, "vendor_code", None)
    return bool(code) and code not in _OF_SESSIONS and code not in _OF_DRIVERS


def why_silent(endpoint: str) -> str:
    """Return why a server at a URL answers nothing; "" where it answers, whatever that is."""
    try:
        urlopen(endpoint, timeout=CONNECT_S).close()  # noqa: S310  # of the protocol that the source names
    except (HTTPError, HTTPException, SSLError):
        return ""
    except URLError as error:
        return "" if isinstance(error.reason, SSLError) else str(error.reason)
    except OSError as error:
        return str(error)
    return ""
