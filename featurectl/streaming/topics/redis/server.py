"""The server, or the nodes of a Cluster, that topics lie on; how it is waited for what comes."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import redis

from featurectl.core.errors import StoreError, UsageError
from featurectl.online.redis.answers import listed, read_number, read_value
from featurectl.online.redis.cluster import ClusterCommands
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.connect import StoreAddress, translated
from featurectl.online.redis.trips import RedisCommand
from featurectl.streaming.topics.base import TopicState
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.streaming.topics.redis.bell import StreamBell
from featurectl.streaming.topics.redis.keys import entry_id, stream_key, topic_key
from featurectl.streaming.topics.redis.scripts import MAKE_STREAM, MAKE_TOPIC, READ

_POLL_S: Final = 0.005
_POLICY: Final = re.compile(r"maxmemory_policy:(\S+)")
_CLUSTER: Final = ("redis+cluster://", "rediss+cluster://")


class TopicServer:
    """Commands to one server about topics."""

    def __init__(self, commands: RedisCommands) -> None:
        self.commands = commands
        self.shown = commands.address.shown
        self._bell = StreamBell(commands.client)

    def run(self, script: str, keys: Sequence[bytes], *arguments: bytes | str | int) -> object:
        """Return what a script answers."""
        return self.commands.ask(*call_of(script, keys, *arguments))

    def make(self, topic: str, partitions: int) -> None:
        """Make a topic, or give it more partitions; its streams are there before anybody hears of them."""
        self.commands.send([call_of(MAKE_STREAM, [stream_key(topic, number)]) for number in range(partitions)])
        self.run(MAKE_TOPIC, [topic_key(topic)], partitions, secrets.token_hex(8))

    def state(self, topic: str) -> TopicState:
        """Return what a topic is.

        Raises:
            NoTopicError: it is not there.
        """
        answer = self.commands.ask("HMGET", topic_key(topic), "partitions", "incarnation")
        with translated(self.commands.address):
            partitions, incarnation = listed(answer, 2)
        if not partitions or not partitions.isdigit():
            raise NoTopicError(topic, self.shown)
        return TopicState(topic=topic, partitions=int(partitions), incarnation=(incarnation or b"").decode())

    def check_policy(self) -> None:
        """Check that the server evicts no topics: they never expire, so only policies over all keys do.

        Raises:
            StoreError: it may.
        """
        for answer in self._memory_reports():
            with translated(self.commands.address):
                found = _POLICY.search((read_value(answer) or b"").decode(errors="replace"))
            if found and found[1].startswith("allkeys"):
                raise StoreError(
                    f"the topics {self.shown} lie in a Redis that removes any keys when it is full ({found[1]})",
                    code="FC606",
                    hint="set `maxmemory-policy noeviction` there: who sends gets an error then, and nothing is lost",
                )

    def wait(self, topic: str, positions: Mapping[int, int], limit_s: float) -> Sequence[int]:
        """Return partitions that have something at or behind a position; waits for it, not longer than the limit."""
        if not positions:
            time.sleep(limit_s)
            return []
        keys = {stream_key(topic, partition): partition for partition in positions}
        after = [entry_id(position - 1) if position else b"0-0" for position in positions.values()]
        with translated(self.commands.address):
            if limit_s and self._bell.wait(list(zip(keys, after, strict=True)), limit_s) is None:
                return []
            # The bell names the stream that rang first alone.
            answer = self.commands.ask("XREAD", "COUNT", 1, "STREAMS", *keys, *after)
            return [keys[name] for name in _streams_of(answer) if isinstance(name, bytes)]

    def read(self, topic: str, positions: Mapping[int, int], number: int) -> list[object]:
        """Return what the script READ answers for each partition, with so many entries from its position on.

        The entries come beside the script, in one transaction: by the script they take twice as long.
        """
        commands: list[RedisCommand] = []
        for name, position in positions.items():
            start, keys = entry_id(position), [stream_key(topic, name)]
            commands += [("MULTI",), call_of(READ, keys, start, 0)]
            commands += [("XRANGE", keys[0], start, "+", "COUNT", number), ("EXEC",)]
        answers = self.commands.send(commands)[3::4]
        with translated(self.commands.address):
            return [_joined(answer) for answer in answers]

    def add(self, commands: Sequence[RedisCommand]) -> list[object]:
        """Return the answers of some XADDs, errors among them; all of them count, or none.

        A connection that breaks is opened anew and all of it is sent again, so that it may count twice.
        """
        answers = self.commands.exchange([("MULTI",), *commands, ("EXEC",)], is_repeatable=False)
        match answers[-1]:
            case list(made) if len(made) == len(commands):
                return made
            case redis.RedisError() as refused:  # which of the commands was why stands in their own answers
                why = next((answer for answer in answers if isinstance(answer, redis.RedisError)), refused)
                return [why] * len(commands)
            case _:
                raise invalid_answer()

    def close(self) -> None:
        """Close the connections."""
        self._bell.close()
        self.commands.close()

    def _memory_reports(self) -> list[object]:
        return [self.commands.ask("INFO", "memory")]


class ClusterTopicServer(TopicServer):
    """Commands to the nodes of a Cluster about topics.

    A Cluster waits for one slot at a time, and partitions lie in many: they are looked at every 5 ms.
    """

    def __init__(self, commands: ClusterCommands) -> None:
        self.commands = commands
        self.shown = commands.address.shown
        self._cluster = commands.cluster

    def wait(self, topic: str, positions: Mapping[int, int], limit_s: float) -> Sequence[int]:
        """Return partitions that have something at or behind a position."""
        if limit_s:
            time.sleep(min(_POLL_S, limit_s))
        if not positions:
            return []
        looks: list[RedisCommand] = [
            ("XRANGE", stream_key(topic, partition), entry_id(position), "+", "COUNT", 1)
            for partition, position in positions.items()
        ]
        answers = self.commands.send(looks)
        return [partition for partition, found in zip(positions, answers, strict=True) if found]

    def read(self, topic: str, positions: Mapping[int, int], number: int) -> list[object]:
        """Return what the script READ answers for each partition: there is no transaction on several nodes."""
        return self.commands.send(
            [
                call_of(READ, [stream_key(topic, name)], entry_id(position), number)
                for name, position in positions.items()
            ]
        )

    def add(self, commands: Sequence[RedisCommand]) -> list[object]:
        """Return the answers of some XADDs, errors among them: partitions lie on several nodes, each by itself."""
        return self.commands.exchange(commands, is_repeatable=False)

    def close(self) -> None:
        """Close the connections."""
        self.commands.close()

    def _memory_reports(self) -> list[object]:
        """Return what each node says of its memory; one that is away serves nothing, or another one has its slots."""
        reports = []
        with translated(self.commands.address):
            for node in self._cluster.primaries():
                with suppress(redis.ConnectionError, redis.TimeoutError):
                    reports.append(self._cluster.ask_node(node, "INFO", "memory"))
        return reports


def open_server(url: str, shown: str, limit_s: float) -> TopicServer:
    """Return the server, or the Cluster, at a URL, whose answers are waited for so long; nothing is connected.

    Raises:
        UsageError: the URL is none of Redis.
    """
    if "socket_timeout=" not in url:  # the URL's own counts
        url += f"{'&' if '?' in url else '?'}socket_timeout={limit_s:g}"
    address = StoreAddress(url=url, shown=shown, called="the topics", setting="streams", code="FC606")
    try:
        if url.startswith(_CLUSTER):
            return ClusterTopicServer(ClusterCommands(address))
        return TopicServer(RedisCommands(address))
    except UsageError as error:
        raise UsageError(f"the address of topics {shown} is no URL of Redis", hint=error.hint) from error


def call_of(script: str, keys: Sequence[bytes], *arguments: bytes | str | int) -> RedisCommand:
    """Return the command that runs a script."""
    return (b"EVAL", script, len(keys), *keys, *arguments)


def number_of(server: TopicServer, answer: object) -> int:
    """Return what a script counts."""
    with translated(server.commands.address):
        return read_number(answer)


def _joined(answer: object) -> object:
    """Return what a transaction answers as one list: the state of a stream, and its entries at the end."""
    match answer:
        case [list(state), list(entries)]:
            return [*state[:-1], entries] if state else state
        case [redis.ResponseError() as error, *_] | [_, redis.ResponseError() as error]:
            raise error
        case _:
            raise invalid_answer()


def _streams_of(answer: object) -> Iterable[object]:
    """Return the names of the streams in an answer of XREAD: a mapping, or pairs of them and of entries."""
    match answer:
        case None:
            return []
        case dict():
            return answer
        case list():
            return [pair[0] for pair in answer if isinstance(pair, list)]
        case _:
            raise invalid_answer()


def invalid_answer() -> redis.InvalidResponse:
    """Return the error of an answer that no Redis gives."""
    return redis.InvalidResponse("entries of a stream were asked for, and something else is the answer")
