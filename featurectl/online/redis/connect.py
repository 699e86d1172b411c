"""Clients of Redis and Valkey, and their failures in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from featurectl.core.errors import NoAnswerError, StoreError, UsageError
from featurectl.core.secrets import address_secrets, address_users, hide_repeated
from featurectl.online.redis.checked import StrayReplyError

CONNECT_S: Final = 3.0
ANSWER_S: Final = 10.0
_BROKEN: Final = (redis.ConnectionError,)  # once more; a server that was given its time is not given it twice
_NO_NEWS: Final = MaintNotificationsConfig(enabled=False)  # with them a pool hands out connections that have bytes
_NO_CLUSTER: Final = "cluster support disabled"
# What a server repeats of a command is cut anywhere, in the middle of a password.
_ARGUMENTS: Final = re.compile(r"(?is)(?<![\s,])[\s,]*+with args beginning with.*")
_UNKNOWN: Final = re.compile(r"(?i)unknown command\W{0,2}['`\"](\w+)")


class ReaderClosedError(redis.RedisError):
    """Someone still waited when a reader was closed, or asked it afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """Where a store is: the URL, with its secrets, and what errors call it and the key of its environment."""

    url: str = field(repr=False)
    shown: str
    called: str = "the online store"
    setting: str = "online"
    code: str = "FC602"


def open_client(url: str, shown: str, retries: int = 1) -> redis.Redis:
    """Return a client of the server at a URL, which errors call `shown`; nothing is connected yet.

    A connection that breaks is opened anew so many times.

    Raises:
        UsageError: the URL is none of Redis.
    """
    try:
        _check_database(url)
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S,
            retry=Retry(ConstantBackoff(0.1), retries, _BROKEN),
            maint_notifications_config=_NO_NEWS,
        )
        client.connection_pool.make_connection()  # made, not connected: whether the URL's options are some
    except (ValueError, TypeError) as error:
        raise no_url(shown) from error
    return client


def open_async_client(url: str, shown: str, budget_s: float, retries: int = 1) -> redis.asyncio.Redis:
    """Return a client for one event loop; connecting takes at most `budget_s`.

    Its answers have no limit of their own: whoever reads them sets one for all, which costs a timer, not one each.

    Raises:
        UsageError: the URL is none of Redis.
    """
    try:
        _check_database(url)
        client = redis.asyncio.Redis.from_url(
            url,
            socket_connect_timeout=budget_s,
            socket_timeout=None,
            retry=AsyncRetry(ConstantBackoff(0), retries, _BROKEN),
            maint_notifications_config=_NO_NEWS,
        )
        client.connection_pool.make_connection()
    except (ValueError, TypeError) as error:
        raise no_url(shown) from error
    return client


def _check_database(url: str) -> None:
    """Raise a ValueError where what stands behind the host is no number: the client would take database 0."""
    address = urlsplit(url)
    if address.scheme in ("redis", "rediss") and not f"{address.path.strip('/') or 0}".isdecimal():
        raise ValueError(address.path)


def no_url(shown: str) -> UsageError:
    """Return the error of a URL that is none of Redis; what is wrong with it may lie in the password."""
    hint = "write it like redis://host:6379/0 or redis+cluster://host:6379,other:6379/"
    return UsageError(f"the online store {shown} is no URL of Redis", hint=hint)


@contextmanager
def translated(address: StoreAddress) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except redis.RedisError as error:
        raise store_error(address, error) from error


def store_error(address: StoreAddress, error: Exception) -> StoreError:
    """Return a failure of a client as ours: a server may repeat the login that it was sent."""
    said = _ARGUMENTS.sub("", str(error))
    what, hint = _described(error, hide_repeated(said, address_secrets(address.url) | address_users(address.url)))
    kind = NoAnswerError if isinstance(error, (redis.ConnectionError, redis.TimeoutError)) else StoreError
    hint = hint.replace("`online:`", f"`{address.setting}:`")
    return kind(f"{address.called} {address.shown} {what}", code=address.code, hint=hint)


def _described(error: Exception, text: str) -> tuple[str, str]:
    """Return what a store does that fails in such a way, saying this, and what may help."""
    if isinstance(error, ReaderClosedError):
        return "is read no more: the reader was closed", ""
    if isinstance(error, (redis.AuthenticationError, redis.exceptions.AuthorizationError)):
        return (
            f"refuses the user or the password: {text}",
            "write them like redis://${REDIS_USER}:${REDIS_PASSWORD}@host",
        )
    if isinstance(error, StrayReplyError):
        return f"sends replies that belong to no request: {text}", "does a proxy in between repeat requests?"
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return (
            f"can't be reached: {text}",
            "is the server running, and is `online:` of the environment its address?",
        )
    if isinstance(error, redis.InvalidResponse):
        return (
            f"does not speak the protocol of Redis: {text}",
            "is `online:` of the environment the address of a Redis?",
        )
    if isinstance(error, redis.exceptions.ClusterDownError):
        return f"is down: {text}", "some slots of the Cluster are served by no node"
    if isinstance(error, (redis.exceptions.AskError, redis.exceptions.ClusterCrossSlotError)):  # MOVED too
        return "is a node of a Redis Cluster", "write it like redis+cluster://host:6379,other:6379/"
    if unknown := _UNKNOWN.search(text):
        return f"does not know the command {unknown[1]}", _NO_HELLO if unknown[1].upper() == "HELLO" else ""
    if text.startswith("WRONGTYPE"):
        return f"refuses: {text}", "another program has made the key PROJECT/ENVIRONMENT another type: delete that key"
    if _NO_CLUSTER in text:
        return "is no Redis Cluster", "write it like redis://host:6379/0"
    return f"refuses: {text}", _REFUSALS.get(type(error), "")


_NO_HELLO: Final = (
    "it is a proxy, older than Redis 6, or configured without HELLO: protocol=2 in the URL does without it, as in "
    "redis://host:6379/0?protocol=2"
)
_REFUSALS: Final[dict[type[Exception], str]] = {
    redis.exceptions.OutOfMemoryError: "it is full: raise `maxmemory` of the server, or remove what is not needed",
    redis.exceptions.ReadOnlyError: "it is a replica: `online:` must be the address of the primary",
    redis.exceptions.NoPermissionError: "the user must be allowed these commands on these keys",
}
