"""Where the keys of a Redis Cluster lie: URLs, the map of its slots, and commands on their way to its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from featurectl.online.redis.answers import slot_ranges
from featurectl.online.redis.checked import StrayReplyError
from featurectl.online.redis.trips import RedisCommand

NodeAddress = tuple[str, int]

PAUSES_S: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # before each try; what failed goes to whoever serves it by then
_PORT: Final = 6379
_SCRIPTS: Final = (b"EVAL", b"EVALSHA")
_SPOKEN: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_LATER: Final = (redis.exceptions.TryAgainError, redis.exceptions.ClusterDownError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterUrl:
    """A `redis+cluster://` or `rediss+cluster://` URL: some nodes, from which the others are learnt."""

    scheme: str
    user: str
    seeds: tuple[NodeAddress, ...]
    query: str

    def node(self, address: NodeAddress) -> str:
        """Return the URL of one node, with the same user, password and options.

        >>> parse_cluster_url("rediss+cluster://:pw@a,b:1/?ssl_cert_reqs=none").node(("::1", 2))
        'rediss://:pw@[::1]:2/?ssl_cert_reqs=none'
        """
        host, port = address
        return f"{self.scheme}://{self.user}{f'[{host}]' if ':' in host else host}:{port}/{self.query}"


def parse_cluster_url(url: str) -> ClusterUrl:
    """Return the parts of a Cluster's URL.

    Raises:
        ValueError: it is none.

    >>> parse_cluster_url("redis+cluster://ana:a/b@one,two:7000/").seeds
    (('one', 6379), ('two', 7000))
    """
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    hosts, _, tail = place.partition("/") if "/" in place else place.partition("?")
    database, mark, query = tail.partition("?") if "/" in place else ("", "?" if tail else "", tail)
    if scheme not in _SPOKEN or database not in {"", "0"} or not hosts:
        raise ValueError("no URL of a Cluster")
    return ClusterUrl(
        scheme=_SPOKEN[scheme],
        user=user + at,
        seeds=tuple(_address(host) for host in hosts.split(",")),
        query=mark + query,
    )


def _address(text: str) -> NodeAddress:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(_PORT)
    if not host or not port.isascii() or not port.isdigit():
        raise ValueError("no address of a node")
    return host.strip("[]"), int(port)


def slot_of(key: bytes) -> int:
    """Return the slot of a key.

    >>> slot_of(b"shop/dev:{s3:JFK}") == slot_of(b"s3:JFK")
    True
    """
    return key_slot(key)


@lru_cache(maxsize=1)
def slot_tags() -> Sequence[bytes]:
    """Return for each slot the smallest number whose text lies in it."""
    tags: dict[int, bytes] = {}
    number = 0
    while len(tags) < REDIS_CLUSTER_HASH_SLOTS:
        text = str(number).encode()
        tags.setdefault(key_slot(text), text)
        number += 1
    return [tags[slot] for slot in range(REDIS_CLUSTER_HASH_SLOTS)]


class SlotMap:
    """Which node serves which slot, as far as is known, and whom to ask."""

    def __init__(self, seeds: Sequence[NodeAddress]) -> None:
        self._seeds = seeds
        self._owners: dict[int, NodeAddress] = {}
        self._first_slots: dict[NodeAddress, int] = {}
        self._suspects: set[NodeAddress] = set()
        self.stale = True

    def learn(self, ranges: object, asked: NodeAddress) -> None:
        """Take what a node answers to CLUSTER SLOTS; it leaves out its own host when it does not know it.

        Raises:
            redis.InvalidResponse: it is another answer, which no Redis gives.
        """
        owners: dict[int, NodeAddress] = {}
        for start, end, host, port in slot_ranges(ranges):
            name = host.decode(errors="replace") or asked[0]
            owners.update(dict.fromkeys(range(start, min(end + 1, REDIS_CLUSTER_HASH_SLOTS)), (name, port)))
        self._owners = owners
        self._first_slots = {}
        self._suspects.discard(asked)
        self.stale = False

    def owner(self, slot: int) -> NodeAddress:
        """Return the node that serves a slot.

        Raises:
            redis.exceptions.ClusterDownError: none does.
        """
        if slot not in self._owners:
            raise redis.exceptions.ClusterDownError(f"slot {slot} is served by no node")
        return self._owners[slot]

    def move(self, slot: int, address: NodeAddress) -> None:
        """Take notice of a slot's new node."""
        self._owners[slot] = address
        self._first_slots = {}

    def primaries(self) -> list[NodeAddress]:
        """Return the nodes that serve slots."""
        return list(dict.fromkeys(self._owners.values()))

    def first_slot(self, address: NodeAddress) -> int:
        """Return the least slot of a node that serves some."""
        if address not in self._first_slots:
            self._first_slots[address] = min(slot for slot, owner in self._owners.items() if owner == address)
        return self._first_slots[address]

    def suspect(self, address: NodeAddress) -> None:
        """Take notice of a node that does not answer: another one is asked who serves its slots by now."""
        self._suspects.add(address)
        self.stale = True

    def advisers(self) -> list[NodeAddress]:
        """Return whom to ask for the map, those last that did not answer."""
        return sorted(dict.fromkeys([*self.primaries(), *self._seeds]), key=lambda address: address in self._suspects)


class Journey:
    """The commands of one call on their way: what is answered, and where the others go next."""

    def __init__(self, commands: Sequence[RedisCommand], slots: SlotMap, *, is_repeatable: bool = True) -> None:
        self._commands = commands
        self._is_repeatable = is_repeatable
        self._places = [slot_of(_key_of(command)) for command in commands]
        self._slots = slots
        self._moved: dict[int, NodeAddress] = {}
        self._asking: dict[int, NodeAddress] = {}
        self.answers: list[object] = [None] * len(commands)
        self.left = list(range(len(commands)))
        self.error: Exception = redis.TimeoutError("no answer")

    def pauses_s(self) -> Iterator[float]:
        """Yield how long to wait before each try, as long as something is left.

        What was sent elsewhere is served there at once. A script waits for a slot to be moved whole: until then its
        keys lie in two places.
        """
        for pause_s in PAUSES_S:
            if not self.left:
                return
            yield 0 if isinstance(self.error, redis.exceptions.AskError) else pause_s
        while self.left and isinstance(self.error, redis.exceptions.TryAgainError):
            yield PAUSES_S[-1]

    def legs(self) -> list[Leg]:
        """Return the ways of the commands that are left, one to each node, another to where a slot is moving to.

        Raises:
            redis.exceptions.ClusterDownError: a slot is served by no node.
        """
        for slot, address in self._moved.items():
            self._slots.move(slot, address)
        legs: dict[tuple[NodeAddress, bool], list[int]] = {}
        for position in self.left:
            asking = self._asking.get(position)
            address = asking or self._slots.owner(self._places[position])
            legs.setdefault((address, asking is not None), []).append(position)
        return [Leg(self, address, positions, asking=asking) for (address, asking), positions in legs.items()]

    def commands(self, positions: Sequence[int], *, asking: bool) -> list[RedisCommand]:
        """Return the commands at some positions, each after an ASKING where it has to be."""
        chosen = [self._commands[position] for position in positions]
        return [item for command in chosen for item in ((b"ASKING",), command)] if asking else chosen

    def settle(self, address: NodeAddress, positions: Sequence[int], answers: Sequence[object]) -> None:
        """Keep the answers of a node; what it sends elsewhere or puts off stays left."""
        done = set()
        for position, answer in zip(positions, answers, strict=True):
            self.answers[position] = answer
            self._asking.pop(position, None)
            if not self._elsewhere(address, position, answer):
                done.add(position)
        self.left = [position for position in self.left if position not in done]

    def _elsewhere(self, address: NodeAddress, position: int, answer: object) -> bool:
        if isinstance(answer, redis.exceptions.MovedError):  # without a host: where it was asked
            self._moved[self._places[position]] = (answer.host or address[0], answer.port)
            self._slots.stale = True
        elif isinstance(answer, redis.exceptions.AskError):
            self._asking[position] = (answer.host or address[0], answer.port)
        elif isinstance(answer, _LATER):
            self._slots.stale = True
        else:
            return False
        self.error = answer
        return True

    def fail(self, address: NodeAddress, error: Exception) -> None:
        """Take notice of a node that gave no answers.

        Raises:
            redis.RedisError: there is no use in another try: it had its time, or refuses us.
        """
        self._slots.suspect(address)
        self._moved = {slot: place for slot, place in self._moved.items() if place != address}
        self._asking = {position: place for position, place in self._asking.items() if place != address}
        self.error = error
        if isinstance(error, redis.AuthenticationError) or not isinstance(error, redis.ConnectionError):
            raise error
        if isinstance(error, StrayReplyError) and not self._is_repeatable:
            raise error


class Leg:
    """Some commands of a journey that go to one node together."""

    def __init__(self, journey: Journey, address: NodeAddress, positions: list[int], *, asking: bool) -> None:
        self._journey = journey
        self._positions = positions
        self._asking = asking
        self.address = address
        self.commands = journey.commands(positions, asking=asking)

    def settle(self, answers: Sequence[object] | Exception) -> None:
        """Tell the journey what came back: answers, or why there are none."""
        if isinstance(answers, Exception):
            self._journey.fail(self.address, answers)
        else:
            self._journey.settle(self.address, self._positions, answers[1::2] if self._asking else answers)


def _key_of(command: RedisCommand) -> bytes:
    key = command[3] if command[0] in _SCRIPTS else command[1]
    return key if isinstance(key, bytes) else str(key).encode()
