"""Clients of Redis and Valkey, and their failures in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from featurectl.errors import StoreError, UsageError

_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 10.0


def open_client(url: str, shown: str) -> redis.Redis:
    """Return a client of the server at a URL, which errors call `shown`; nothing is connected yet.

    Raises:
        UsageError: the URL is none of Redis.
    """
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_S,
            socket_timeout=_ANSWER_S,
            retry=Retry(ConstantBackoff(0.1), 1),
        )
    except ValueError as error:
        raise _no_url(shown) from error


def open_async_client(url: str, shown: str, budget_s: float) -> redis.asyncio.Redis:
    """Return a client for one event loop; connecting and each answer take at most `budget_s`.

    Raises:
        UsageError: the URL is none of Redis.
    """
    try:
        return redis.asyncio.Redis.from_url(
            url,
            socket_connect_timeout=budget_s,
            socket_timeout=budget_s,
            retry=AsyncRetry(ConstantBackoff(0), 1),
        )
    except ValueError as error:
        raise _no_url(shown) from error


def _no_url(shown: str) -> UsageError:
    hint = "write it like redis://host:6379/0"  # what is wrong with it may lie in the password
    return UsageError(f"the online store {shown} is no URL of Redis", hint=hint)


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreError(
            f"the online store {shown} can't be reached: {error}",
            code="FC602",
            hint="is the server running, and is `online:` of the environment its address?",
        ) from error
    except redis.RedisError as error:
        raise StoreError(f"the online store {shown} refuses: {error}", code="FC602") from error
