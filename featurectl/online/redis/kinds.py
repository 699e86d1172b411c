"""The stores and readers in Redis by URL: one server, or a Cluster."""

from __future__ import annotations

from featurectl.online.base import AsyncRowReader, OnlineStore
from featurectl.online.redis.slots import is_cluster_url


def open_store(url: str, shown: str = "") -> OnlineStore:
    """Return the store at a URL; nothing is connected yet.

    Raises:
        UsageError: the URL is none of Redis.
    """
    from featurectl.online.redis.cluster import RedisClusterStore
    from featurectl.online.redis.store import RedisStore

    return RedisClusterStore(url, shown) if is_cluster_url(url) else RedisStore(url, shown)


def open_async_reader(url: str, shown: str, budget_s: float) -> AsyncRowReader:
    """Return a reader for one event loop; a call takes at most `budget_s`.

    Raises:
        UsageError: the URL is none of Redis.
    """
    from featurectl.online.redis.aio import AsyncClusterReader, AsyncRedisReader

    return (AsyncClusterReader if is_cluster_url(url) else AsyncRedisReader)(url, shown, budget_s)
