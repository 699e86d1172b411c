"""The kinds of brokers of topics, by the scheme of their URL; a new kind is a line in `TOPIC_KINDS` and its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.errors import UsageError
from featurectl.core.variables import shown_location
from featurectl.streaming.topics.base import TopicBroker

_Open = Callable[[str, str, float], TopicBroker]
LIMIT_S: Final = 10.0


def _open_sqlite(url: str, shown: str, limit_s: float) -> TopicBroker:
    from featurectl.streaming.topics.sqlite.broker import SqliteTopics

    return SqliteTopics(Path(url.removeprefix(SQLITE_URL)), shown, limit_s)


def _open_redis(url: str, shown: str, limit_s: float) -> TopicBroker:
    from featurectl.streaming.topics.redis.broker import RedisTopics

    return RedisTopics(url, shown, limit_s)


def _open_kafka(url: str, shown: str, limit_s: float) -> TopicBroker:
    from featurectl.streaming.topics.kafka.broker import KafkaTopics

    return KafkaTopics(url, shown, limit_s)


TOPIC_KINDS: Final[Mapping[str, _Open]] = {
    SQLITE_URL: _open_sqlite,
    "redis://": _open_redis,
    "rediss://": _open_redis,
    "redis+cluster://": _open_redis,
    "rediss+cluster://": _open_redis,
    "kafka://": _open_kafka,
}
_REDIS: Final = ("topics in Redis need the package redis", "pip install 'featurectl[redis]'")
_KAFKA: Final = ("topics in Kafka need the package confluent-kafka", "pip install 'featurectl[kafka]'")
_LIBRARIES: Final = {"redis": _REDIS, "hiredis": _REDIS, "confluent_kafka": _KAFKA}


def open_topics(url: str, shown: str = "", limit_s: float = LIMIT_S) -> TopicBroker:
    """Return the broker of topics at a URL, which errors call `shown`, or by its URL without secrets.

    Nothing is connected. The broker is waited for at most `limit_s` for an answer.

    Raises:
        UsageError: there is no such kind, its library is not installed, or the URL is none of it.
    """
    shown = shown or shown_location(url)
    kind, mark, _ = url.partition("://")
    opened = next((opened for scheme, opened in TOPIC_KINDS.items() if url.startswith(scheme)), None)
    if opened is None:
        problem = f"no topics of kind {kind!r}" if mark else f"the address of topics {shown} is no URL"
        raise UsageError(problem, hint="topics: " + ", ".join(TOPIC_KINDS))
    try:
        return opened(url, shown, limit_s)
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        message, hint = _LIBRARIES[error.name]
        raise UsageError(message, hint=hint) from error
