"""The state of streams in a Redis Cluster: lists lie on the masters that serve their slots, each with its marks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import ClassVar, Final

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from featurectl.online.redis.cluster import ClusterClient, ClusterCommands
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.connect import StoreAddress, store_error, translated
from featurectl.online.redis.slots import PAUSES_S, NodeAddress, SlotMap, parse_cluster_url, slot_of, slot_tags
from featurectl.online.redis.stream_fetch import FetchPlan, joined, portions
from featurectl.online.redis.stream_keys import mark_key, register_key
from featurectl.online.redis.stream_masters import Master, PinnedMasters, sha_of
from featurectl.online.redis.stream_pinned import GONE, PinnedServer
from featurectl.online.redis.stream_register import parsed, state_of
from featurectl.online.redis.stream_scripts import STATE_OF_READERS
from featurectl.online.redis.stream_state import RedisStreamState, scanned
from featurectl.online.redis.trips import COMMANDS_A_TRIP
from featurectl.online.stream_state.base import ListsAnswer, ListsAsk, StreamPoll, StreamSource, poll_of

_MARKED_SLOTS: Final = range(0, REDIS_CLUSTER_HASH_SLOTS, REDIS_CLUSTER_HASH_SLOTS // 16)
STATE_SHA: Final = sha_of(STATE_OF_READERS)


def tags_of(slots: SlotMap, node: NodeAddress) -> list[bytes]:
    """Return the tags of a master's marks: those of 16 slots that it serves, so that slots which move keep their marks.

    Of a master that serves none of the 16 it is its least slot; its lists can't be read before a rebuild when that one
    has moved.
    """
    owned = [slot for slot in _MARKED_SLOTS if slots.owner(slot) == node]
    return [slot_tags()[slot] for slot in owned or [slots.first_slot(node)]]


def cluster_plan(
    source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk], slots: SlotMap
) -> FetchPlan[NodeAddress]:
    """Return how lists are fetched from the masters that have them, by a map of the slots.

    Raises:
        redis.exceptions.ClusterDownError: a slot is served by no node.
    """
    return FetchPlan(source, poll, asks, (lambda key: slots.owner(slot_of(key)), partial(tags_of, slots)))


def has_gone(answers: Sequence[ListsAnswer]) -> bool:
    """Return whether a list was not whole: its generation may not be live any more."""
    return any(found is None for answer in answers if answer.lists is not None for found in answer.lists)


class RedisClusterStreamState(RedisStreamState):
    """A `StreamState` at a `redis+cluster://` or `rediss+cluster://` URL."""

    _commands_of: ClassVar[type[RedisCommands]] = ClusterCommands

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, in two trips: `asof` first; where a generation went, once more."""
        answers = self.fetch(source, self.read_poll(source), asks)
        return self.fetch(source, self.read_poll(source), asks) if has_gone(answers) else answers

    def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, for the lists that it fetches afterwards."""
        key = register_key(source)
        [reply] = self._send([("EVALSHA", STATE_SHA, 1, key)])
        if isinstance(reply, redis.exceptions.NoScriptError):
            [reply] = self._send([("EVAL", STATE_OF_READERS, 1, key)])
        return poll_of(parsed(self._address, state_of, reply))

    def fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask as of an earlier poll; None of one whose master lost what is done."""
        return joined([self._fetched(source, poll, some) for some in portions(asks, COMMANDS_A_TRIP)])

    def _fetched(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        error: Exception = redis.TimeoutError("no answer")
        for pause_s in PAUSES_S:
            time.sleep(pause_s)
            try:
                return self._fetch(source, poll, asks)
            except GONE as gone:  # the plan was made by an older map of the slots: all is asked anew
                error = gone
                self._cluster.forget_slots()
            except redis.RedisError as gone:
                raise store_error(self._address, gone) from gone
        raise store_error(self._address, error) from error

    def _fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        slots = self._slots()
        plan = cluster_plan(source, poll, asks, slots)
        found = self._cluster.ask_nodes([(node, leg.commands()) for node, leg in plan.legs.items()])
        for leg, replies in zip(plan.legs.values(), found, strict=True):
            if isinstance(replies, Exception):
                raise replies
            gone = next((reply for reply in replies if isinstance(reply, GONE)), None)
            if gone is not None:
                raise gone
            plan.settle(leg, leg.read(self._address, replies))
        return plan.answers()

    @property
    def _cluster(self) -> ClusterClient:
        assert isinstance(self._commands, ClusterCommands)
        return self._commands.cluster

    def _slots(self) -> SlotMap:
        return self._cluster.slots()

    def _connected(self) -> PinnedMasters:
        """Return a connection to each master of now."""
        url = parse_cluster_url(self._address.url)
        self._cluster.forget_slots()  # who connects again does so because of a loss
        with translated(self._address):
            slots = self._slots()
            nodes = slots.primaries()
            places = {node: at for at, node in enumerate(nodes)}
            owners = [places[slots.owner(slot)] for slot in range(len(slot_tags()))]
        with ExitStack() as stack:
            masters = []
            for node in nodes:
                server = PinnedServer(StoreAddress(url=url.node(node), shown=self._address.shown), is_cluster=True)
                stack.callback(server.close)
                masters.append(Master(server=server, tags=tags_of(slots, node)))
            stack.pop_all()
        return PinnedMasters(self._address, masters, lambda key: owners[slot_of(key)], self._clock)

    def _mark_keys(self, source: StreamSource) -> list[bytes]:
        with translated(self._address):
            slots = self._slots()
        return [mark_key(source, tag) for node in slots.primaries() for tag in tags_of(slots, node)]

    def _pages(self, pattern: str) -> Iterator[list[bytes]]:
        with translated(self._address):
            nodes = self._cluster.primaries()
        for node in nodes:
            yield from scanned(self._asking(node), self._address, pattern)

    def _asking(self, node: NodeAddress) -> Callable[..., object]:
        def ask(*command: bytes | str | int) -> object:
            with translated(self._address):
                return self._cluster.ask_node(node, *command)

        return ask
