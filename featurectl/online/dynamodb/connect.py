"""Requests to the DynamoDB of an online store: repeated while it is busy, and their failures in our words."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn

import boto3
from botocore import exceptions as aws
from botocore.config import Config

from featurectl.core.errors import FeaturectlError, NoAnswerError, StoreError
from featurectl.online.dynamodb.address import DynamoAddress

Asked = Mapping[str, Any]
ANSWER_S: Final = 10.0
BUSY_S: Final = 60.0  # how long a write is repeated while the table takes no more
AT_ONCE: Final = 16  # requests of one writer or reader that are under way
_CONNECT_S: Final = 3.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 3.0
_MOST_LOSSES: Final = 3
_READS: Final = frozenset(("get_item", "batch_get_item", "query", "describe_table"))
_THROTTLED: Final = frozenset(
    ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "Throttling")
)
_IN_TROUBLE: Final = frozenset(("InternalServerError", "ServiceUnavailable", "500", "502", "503", "504"))
_SIGNED: Final = frozenset((
    "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException",
    "ExpiredTokenException", "IncompleteSignatureException", "InvalidClientTokenId", "SignatureDoesNotMatch",
    "InvalidAccessKeyId", "AuthFailure",
))  # fmt: skip
_LOGIN_HINT: Final = (
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a role of the machine is used, too"
)
_AWAY_HINT: Final = "is the region of `online:` the table's, and can it be reached from here?"


class ConditionRefusedError(Exception):
    """What was to be changed is not as the request says it must be; `item` is what is there, where that was asked."""

    def __init__(self, item: Asked) -> None:
        super().__init__("a condition is not met")
        self.item = item


class TableMissingError(StoreError):
    """There is no table of this name."""


class TableExistsError(StoreError):
    """There is a table of this name."""


class InvalidRequestError(StoreError):
    """The request does not fit the table, or what is in it."""


class NotAllowedError(StoreError):
    """The user or role may not do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoAnswer:
    """What the server answered. `is_first`: no earlier try of the request can have been carried out, too."""

    found: Asked
    is_first: bool


class DynamoLink:
    """Sends requests to a server, from any number of threads; one that is silent for `answer_s` is not waited for."""

    def __init__(self, address: DynamoAddress, answer_s: float = ANSWER_S, busy_s: float = BUSY_S) -> None:
        self.address = address
        self._answer_s = answer_s
        self._busy_s = busy_s
        self._lock = threading.Lock()
        self._client: Any = None
        self._clock = _ServerClock()

    def load(self) -> None:
        """Load AWS's client, which takes a tenth of a second or two: now, not within the time of the first request."""
        with suppress(aws.BotoCoreError, ValueError):  # who asks something gets the error
            self._opened()

    def ask(self, operation: str, asked: Asked) -> DynamoAnswer:
        """Return the answer to a request about the table, which is repeated as long as the server is busy.

        That is for a minute at most, of what only reads as long as an answer is waited for.

        Raises:
            ConditionRefusedError: a condition of the request is not met.
            StoreError: it can't be reached, is still busy, or refuses us: for want of a table, of a right.
        """
        busy_s = self._answer_s if operation in _READS else self._busy_s
        begun_s, pause_s, losses = time.monotonic(), _FIRST_PAUSE_S, 0
        while True:
            try:
                found: Asked = getattr(self._opened(), operation)(**asked)
            except (aws.ClientError, aws.BotoCoreError, ValueError) as error:
                self._clock.note(_said(error))
                left_s = busy_s - (time.monotonic() - begun_s)
                if not _may_repeat(error, left_s, losses=losses):
                    self._fail(error)
                losses += not _is_throttled(error)
            else:
                self._clock.note(found)
                return DynamoAnswer(found=found, is_first=not losses)
            time.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311  # so that many do not come back at once
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def pause(self, turn: int, begun_s: float, *, reads: bool) -> None:
        """Wait before a request is sent again of which a part was not carried out, the longer the later the turn.

        Raises:
            StoreError: it has been busy for too long.
        """
        if time.monotonic() - begun_s > (self._answer_s if reads else self._busy_s):
            raise self._busy()
        time.sleep(min(_FIRST_PAUSE_S * 2.0**turn, _LONGEST_PAUSE_S) * random.uniform(0.5, 1))  # noqa: S311

    def now(self) -> datetime:
        """Return the server's time as its answers have said it, which is to the second: that of this machine within."""
        return self._clock.now()

    def now_s(self) -> float:
        """Return the server's time in seconds of Unix time, by which rows are let go."""
        return self._clock.now().timestamp()

    def error(self, what: str, hint: str = "") -> StoreError:
        """Return a failure of the store: what it does."""
        return StoreError(f"the online store {self.address.shown} {what}", code="FC602", hint=hint)

    def close(self) -> None:
        """Close the connections; they are opened anew when they are used again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                config = Config(
                    connect_timeout=min(_CONNECT_S, self._answer_s),
                    read_timeout=self._answer_s,
                    retries={"total_max_attempts": 1},  # what is repeated, and for how long, is said above
                    max_pool_connections=2 * AT_ONCE,
                    tcp_keepalive=True,
                    parameter_validation=False,
                )
                session = boto3.session.Session(region_name=self.address.region)
                endpoint = self.address.endpoint or None
                self._client = session.client("dynamodb", endpoint_url=endpoint, config=config)
            return self._client

    def _busy(self) -> StoreError:
        what = f"has been busy for {self._busy_s:g} s: it takes or gives no more per second"
        return self.error(what, "raise the capacity of the table, or make it on demand (PAY_PER_REQUEST)")

    def _fail(self, error: Exception) -> NoReturn:
        """Raise a failure of the driver as ours."""
        if code_of(error) == "ConditionalCheckFailedException":
            raise ConditionRefusedError(_said(error).get("Item", {})) from error
        raise self._translated(error, code_of(error)) from error

    def _translated(self, error: Exception, code: str) -> FeaturectlError:
        if code in _THROTTLED:
            return self._busy()
        if code in _SIGNED or isinstance(error, _NO_LOGIN):
            return self.error(f"refuses the credentials: {_message(error)}", _LOGIN_HINT)
        if code and code not in _IN_TROUBLE:
            kind, hint = _KINDS.get(code, (StoreError, ""))
            return kind(self.error(f"refuses: {_message(error)}").message, code="FC602", hint=hint)
        what = f"can't be reached: {self._short(error)}"
        return NoAnswerError(f"the online store {self.address.shown} {what}", code="FC602", hint=_AWAY_HINT)

    def _short(self, error: Exception) -> str:
        """Return why there is no answer, without the address, which may be a secret."""
        if isinstance(error, aws.ReadTimeoutError | aws.ConnectTimeoutError):
            return f"no answer within {self._answer_s:g} s"
        if isinstance(error, aws.EndpointConnectionError):
            return "nothing answers there"
        return _message(error) if code_of(error) else type(error).__name__


_POLICY_HINT: Final = (
    "the user or role needs BatchGetItem, BatchWriteItem, DeleteItem, GetItem, PutItem, Query and UpdateItem on the "
    "table; who only reads BatchGetItem, GetItem and Query"
)
_SHAPE_HINT: Final = "its table has the partition key p, a string, and the sort key k, binary"
_KINDS: Final[Mapping[str, tuple[type[StoreError], str]]] = {
    "ResourceNotFoundException": (
        TableMissingError,
        "was the table removed meanwhile? a new one is filled by featurectl push --full",
    ),
    "ResourceInUseException": (TableExistsError, ""),
    "ValidationException": (InvalidRequestError, _SHAPE_HINT),
    "AccessDeniedException": (NotAllowedError, _POLICY_HINT),
    "AccessDenied": (NotAllowedError, _POLICY_HINT),
}
_NO_LOGIN: Final = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.ProfileNotFound,
    aws.CredentialRetrievalError,
    aws.NoAuthTokenError,
    aws.SSOError,
    aws.ConfigNotFound,
    aws.ConfigParseError,
)


class _ServerClock:
    """How far a server's clock is ahead of this machine's, as far as the seconds say it that stand over its answers."""

    def __init__(self) -> None:
        self._said = ""
        self._ahead = timedelta()

    def note(self, found: Asked) -> None:
        """Take note of when an answer was given."""
        said = found.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        if not said or said == self._said:
            return
        self._said = said
        here = datetime.now(UTC)
        begin = parsedate_to_datetime(said).astimezone(UTC)
        if here < begin:
            self._ahead = begin - here
        elif here - begin > timedelta(seconds=2):  # a second is named by its begin, and the answer was under way
            self._ahead = begin - here + timedelta(seconds=1)
        else:
            self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the server's time."""
        return datetime.now(UTC) + self._ahead


def code_of(error: Exception) -> str:
    """Return what the server calls a failure, nothing where it did not answer."""
    return str(_said(error).get("Error", {}).get("Code", ""))


def _said(error: Exception) -> Asked:
    """Return what the server answered to a request that failed: nothing where it did not."""
    return error.response if isinstance(error, aws.ClientError) else {}


def _message(error: Exception) -> str:
    said = _said(error).get("Error", {}).get("Message", "")
    lines = str(said or error).strip().splitlines() or [type(error).__name__]
    return lines[0]


def _is_throttled(error: Exception) -> bool:
    return code_of(error) in _THROTTLED


def _may_repeat(error: Exception, left_s: float, *, losses: int) -> bool:
    """Return whether a request may be sent again: over a connection that broke some times, after a silence once.

    A silence may be that of a connection which a router has forgotten; what reads has no time left after it.
    """
    if isinstance(error, aws.ConnectionClosedError):
        return losses < _MOST_LOSSES
    if isinstance(error, aws.ReadTimeoutError | aws.ConnectTimeoutError):
        return left_s > 0 and losses == 0
    return left_s > 0 and (_is_throttled(error) or code_of(error) in _IN_TROUBLE)
