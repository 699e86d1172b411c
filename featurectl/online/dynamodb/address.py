"""The address of an online store in DynamoDB: `dynamodb://REGION/TABLE?endpoint=http://...&reads=eventual`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean

SCHEME: Final = "dynamodb://"
PARAMETERS: Final = ("endpoint", "reads")
_READS: Final = {"consistent": True, "eventual": False}
_REGION: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_FORM: Final = "write it like dynamodb://eu-central-1/features"


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoAddress:
    """Where a store is, and what errors call it. Credentials are AWS's own: of the environment, a profile, a role.

    `endpoint` is that of an emulator, or a private one; empty: AWS's of the region. `is_consistent`: who reads sees
    what was written before; else it costs half, and may see what was there up to a second ago.
    """

    region: str
    table: str
    endpoint: str = field(repr=False)
    is_consistent: bool
    shown: str


def parse_address(url: str, shown: str) -> DynamoAddress:
    """Return the address of a URL; nothing is connected.

    Raises:
        UsageError: it is none of DynamoDB, or has a parameter that there is not.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise UsageError(f"the online store {shown} is no URL of DynamoDB", hint=_FORM) from error
    region, table = parts.netloc, parts.path.removeprefix("/")
    if not (_REGION.fullmatch(region) and _TABLE.fullmatch(table)) or parts.fragment:
        raise UsageError(
            f"the online store {shown} is no URL of DynamoDB",
            hint=f"{_FORM}: a region, and a table (3 to 255 of A-Z a-z 0-9 _ - .)",
        )
    given = dict(pairs)
    for name in given:
        if name not in PARAMETERS:
            meant = did_you_mean(name, PARAMETERS)
            known = f"parameters of DynamoDB: {', '.join(PARAMETERS)}"
            raise UsageError(
                f'the online store {shown} has no parameter "{name}"', hint=f"{meant}; {known}" if meant else known
            )
    return DynamoAddress(
        region=region,
        table=table,
        endpoint=_endpoint(given.get("endpoint", ""), shown),
        is_consistent=_is_consistent(given.get("reads", "consistent"), shown),
        shown=shown,
    )


def no_streams(shown: str) -> UsageError:
    """Return the error of who wants the state of streams in a store that keeps none."""
    hint = "write `online: redis://...`, `postgresql://...` or `sqlite:///...` in an environment with streams"
    return UsageError(
        f"the online store {shown} keeps no state of streams: DynamoDB does not in this version", hint=hint
    )


def _endpoint(text: str, shown: str) -> str:
    if text and not re.fullmatch(r"https?://[^/?#@\s]+/?", text):
        raise UsageError(
            f"the endpoint of the online store {shown} is no address",
            hint="write it like endpoint=http://localhost:8000",
        )
    return text


def _is_consistent(text: str, shown: str) -> bool:
    if text not in _READS:
        raise UsageError(f"the online store {shown} has no reads={text}", hint=f"reads are {' or '.join(_READS)}")
    return _READS[text]
