"""The online store in a Redis Cluster: commands go to the nodes that serve their slots.

What one script looks at lies in one slot, so entities are counted slot by slot, in the script that writes them:

    <project>/<env>/count:{<number>}   hash: <view>@<version> -> number of entities in the slot of that number
    <project>/<env>                    hash: count/<view>@<version>   -> their sum, as of
                                             counted/<view>@<version> -> that mark
                                             changed/<view>@<version> -> a mark of the last change

The sum is as of the last change when both marks are equal; else whoever asks for it adds up and keeps it.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import redis

from featurectl.core.errors import StoreError
from featurectl.online.base import Bound, OnlineView
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import pack_bound
from featurectl.online.corrupt_rows import BrokenCountError, BrokenRowError
from featurectl.online.packed_store import PackedStore
from featurectl.online.redis.answers import count_of, instant_of_time, listed, read_number, read_page, read_value
from featurectl.online.redis.checked import CheckedConnection
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.connect import ANSWER_S, StoreAddress, no_url, open_client, translated
from featurectl.online.redis.keys import home_of, prefix_of
from featurectl.online.redis.scripts import REMOVE_UNTIL, WRITE_NEWER
from featurectl.online.redis.slots import (
    Journey,
    NodeAddress,
    SlotMap,
    parse_cluster_url,
    slot_of,
    slot_tags,
)
from featurectl.online.redis.store import RedisBytes, address_of, broken_places_named, pages
from featurectl.online.redis.trips import COMMANDS_A_TRIP, RedisCommand, exchange, packed, whole
from featurectl.online.row_schema import field_name

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk

_Arguments = list[bytes | str | int]
_Call = tuple[list[bytes], _Arguments]  # the keys and the arguments of a script


class ClusterClient:
    """Sends commands to the nodes of a Cluster, and follows slots that move and nodes that are replaced."""

    def __init__(self, url: str, shown: str) -> None:
        try:
            self._url = parse_cluster_url(url)
        except ValueError as error:
            raise no_url(shown) from error
        self._shown = shown
        self._clients: dict[NodeAddress, redis.Redis] = {}
        self._slots = SlotMap(self._url.seeds)
        self._node(self._url.seeds[0])  # whether its options are some

    def send(self, commands: Sequence[RedisCommand], *, is_repeatable: bool = True) -> list[object]:
        """Return the answers of some commands, errors among them; those of one node travel together.

        Raises:
            redis.RedisError: a node does not answer, and no other one serves its slots.
        """
        if not commands:
            return []
        journey = Journey(commands, self._slots, is_repeatable=is_repeatable)
        end_s = time.monotonic() + ANSWER_S
        for pause_s in journey.pauses_s():
            if time.monotonic() + pause_s > end_s:
                break
            time.sleep(pause_s)
            self._try(journey)
        if journey.left:
            raise journey.error
        return journey.answers

    def ask_node(self, address: NodeAddress, *command: bytes | str | int) -> object:
        """Return the answer of one node, whatever slots it serves."""
        return whole(exchange(self._node(address), [command]))[0]

    def ask_nodes(self, asks: Sequence[tuple[NodeAddress, Sequence[RedisCommand]]]) -> list[list[object] | Exception]:
        """Return what each of some nodes answers to its commands: all are asked before the first answer is read."""
        connections = [self._depart(address, commands) for address, commands in asks]
        return [_arrive(connection) for connection in connections]

    def primaries(self) -> list[NodeAddress]:
        """Return the nodes that serve slots."""
        return self.slots().primaries()

    def slots(self) -> SlotMap:
        """Return the map of the slots, asked for when it is not known or was wrong."""
        self._learn()
        return self._slots

    def forget_slots(self) -> None:
        """Ask for the map of the slots anew when it is wanted next."""
        self._slots.stale = True

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def _try(self, journey: Journey) -> None:
        """Send what is left to where it belongs by now, and let the journey settle what came back."""
        try:
            self._learn()
            legs = journey.legs()
        except redis.exceptions.ClusterDownError as error:
            self._slots.stale = True
            journey.error = error
            return
        for leg, answers in zip(legs, self.ask_nodes([(leg.address, leg.commands) for leg in legs]), strict=True):
            leg.settle(answers)

    def _depart(self, address: NodeAddress, commands: Sequence[RedisCommand]) -> CheckedConnection | Exception:
        try:
            connection = CheckedConnection(self._node(address).connection_pool)
        except redis.RedisError as error:
            return error
        try:
            connection.send(packed(commands), len(commands))
        except redis.RedisError as error:
            connection.release()
            return error
        return connection

    def _learn(self) -> None:
        """Ask for the map of slots when it is not known or was wrong."""
        failure: redis.RedisError | None = None
        for address in self._slots.advisers() if self._slots.stale else []:
            try:
                self._slots.learn(self.ask_node(address, "CLUSTER", "SLOTS"), address)
            except redis.AuthenticationError:
                raise
            except (redis.ConnectionError, redis.TimeoutError) as error:
                self._slots.suspect(address)
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    def _node(self, address: NodeAddress) -> redis.Redis:
        if address not in self._clients:
            self._clients[address] = open_client(self._url.node(address), self._shown, retries=0)
        return self._clients[address]


def _arrive(connection: CheckedConnection | Exception) -> list[object] | Exception:
    """Return the replies to what was sent over a connection, or why there are none."""
    if isinstance(connection, Exception):
        return connection
    try:
        return connection.read()
    except redis.RedisError as error:
        return error
    finally:
        connection.release()


class ClusterCommands(RedisCommands):
    """Sends commands to the nodes that serve their slots."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self.cluster = ClusterClient(address.url, address.shown)

    def exchange(self, commands: Sequence[RedisCommand], *, is_repeatable: bool = True) -> list[object]:
        """Return the answers of some commands, errors among them."""
        return self.cluster.send(commands, is_repeatable=is_repeatable)

    def close(self) -> None:
        """Close the connections."""
        self.cluster.close()


class RedisClusterBytes(RedisBytes):
    """A `ByteStore` at a `redis+cluster://` or `rediss+cluster://` URL."""

    def __init__(self, commands: ClusterCommands) -> None:
        super().__init__(commands)
        self._cluster = commands.cluster

    def write_chunks(self, view: OnlineView, chunks: Iterable[PackedChunk], writing: PackedWriting) -> int:
        """Write rows, a trip to all nodes at once for some thousand, and return how many entities are new.

        Every row is compared with what is there: the claims of a single server lie in another slot than the rows.
        """
        how, field = writing.how, field_name(view)
        newer, rest = (field, writing.order, field, ""), ("", self._expiry(how))
        written, added, broken = 0, 0, list[BrokenRowError]()
        self._mark_change(view)
        try:
            for chunk in chunks:
                try:
                    added += self._write_chunk(view, chunk, [*newer, pack_bound(how.none_after), *rest])
                except BrokenRowError as error:
                    broken.append(error)
                written += chunk.count
                how.on_rows(written)
        finally:
            self._mark_change(view)
        if broken:
            raise broken[0]
        return added

    def remove_others(
        self, view: OnlineView, kept: Collection[bytes], until: datetime, none_after: Bound | None
    ) -> int:
        """Remove the rows computed until an instant of all other entities, by a scan of every node."""
        self._mark_change(view)
        try:
            return super().remove_others(view, kept, until, none_after)
        finally:
            self._mark_change(view)

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some keys, a trip to all nodes at once for some thousand."""
        self._mark_change(view)
        try:
            return super().remove_keys(view, keys)
        finally:
            self._mark_change(view)

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row; added up over the slots once after each change."""
        field, home = field_name(view), home_of(view)
        names = [f"{name}/{field}" for name in ("count", "counted", "changed")]
        count, counted, changed = self._read(partial(listed, count=3), "HMGET", home, *names)
        known = count_of(count)
        if changed == counted and known is not None:
            return known
        total = sum(self._counts(view))
        self.commands.ask("HSET", home, names[0], total, names[1], changed or b"")
        return total

    def clock(self) -> datetime:
        """Return the greatest time of its nodes."""
        with translated(self.commands.address):
            return max(instant_of_time(self._cluster.ask_node(node, "TIME")) for node in self._cluster.primaries())

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version by a scan of every node's keys, 1,000 at a time."""
        self._mark_change(view)
        try:
            super().remove(view)
        except StoreError:
            self._mark_change(view)  # some is gone
            raise
        for _ in self._counters(view, "HDEL"):
            pass
        self.commands.ask("HDEL", home_of(view), *(f"{name}/{field_name(view)}" for name in ("counted", "changed")))

    def _counts(self, view: OnlineView) -> list[int]:
        counts = [count_of(text) for text in self._slot_counts(view)]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            raise BrokenCountError(field_name(view))
        return known

    def reset_broken_count(self, view: OnlineView) -> None:
        """Begin to count at 0 in the slots whose counter holds no number."""
        broken = [slot for slot, text in enumerate(self._slot_counts(view)) if count_of(text) is None]
        self.commands.send([("HDEL", _counter(view, slot), field_name(view)) for slot in broken])

    def _slot_counts(self, view: OnlineView) -> list[bytes | None]:
        counts = list(self._counters(view, "HGET"))
        with translated(self.commands.address):
            return [read_value(text) for text in counts]

    def _held(self) -> int:
        with translated(self.commands.address):
            return sum(read_number(self._cluster.ask_node(node, "DBSIZE")) for node in self._cluster.primaries())

    def _correct_counts(
        self,
        view: OnlineView,
        before: Sequence[int],
        met: Collection[bytes],
        removed: int,  # noqa: ARG002 - which slots they were of is not known
    ) -> None:
        tally, field = Counter(slot_of(key) for key in met), field_name(view)
        missing = {slot: count - tally[slot] for slot, count in enumerate(before) if count > tally[slot]}
        if len(met) > sum(before):  # a counter was lost, or others have written meanwhile
            after = self._counts(view)
            missing |= {slot: most - n for slot, n in tally.items() if (most := max(before[slot], after[slot])) < n}
        commands: list[RedisCommand] = [
            ("HINCRBY", _counter(view, slot), field, -number) for slot, number in missing.items()
        ]
        self.commands.send(commands, is_repeatable=False)

    def _mark_change(self, view: OnlineView) -> None:
        self.commands.ask("HSET", home_of(view), f"changed/{field_name(view)}", uuid.uuid4().bytes)

    def _counters(self, view: OnlineView, verb: str) -> Iterator[object]:
        """Yield what a command of hashes answers at the counter of every slot."""
        commands: list[RedisCommand] = [
            (verb, _counter(view, slot), field_name(view)) for slot in range(len(slot_tags()))
        ]
        for start in range(0, len(commands), COMMANDS_A_TRIP):
            yield from self.commands.send(commands[start : start + COMMANDS_A_TRIP])

    def _write_chunk(self, view: OnlineView, chunk: PackedChunk, common: _Arguments) -> int:
        prefix = prefix_of(view)
        packed = zip(chunk.keys.parts(), chunk.rows().parts(), strict=True)
        rows = [(prefix + key + b"}", row) for key, row in packed]
        calls: list[_Call] = [
            ([*(key for key, _ in some), _counter(view, slot)], [*common, *(row for _, row in some)])
            for slot, some in _by_slot(rows).items()
        ]
        return self._run(view, WRITE_NEWER, calls)

    def _remove_until(self, view: OnlineView, keys: Sequence[bytes], bounds: tuple[bytes, bytes]) -> int:
        field = field_name(view)
        arguments: _Arguments = [field, bounds[0], field, bounds[1]]
        places = _by_slot([(key, b"") for key in keys])
        calls = [([*(key for key, _ in some), _counter(view, slot)], arguments) for slot, some in places.items()]
        return self._run(view, REMOVE_UNTIL, calls)

    def _run(self, view: OnlineView, script: str, calls: Sequence[_Call]) -> int:
        """Return the sum of what a script answers, called once for each slot."""
        with translated(self.commands.address):
            shas = [self._cluster.ask_node(node, "SCRIPT", "LOAD", script) for node in self._cluster.primaries()]
            sha = read_value(shas[0]) or b""
        answers: list[object] = []
        for start in range(0, len(calls), COMMANDS_A_TRIP):
            commands: list[RedisCommand] = [
                (b"EVALSHA", sha, len(keys), *keys, *arguments)
                for keys, arguments in calls[start : start + COMMANDS_A_TRIP]
            ]
            answers += self._send_scripts(commands, script)
        with translated(self.commands.address), broken_places_named(view):
            return sum(map(read_number, whole(answers)))

    def _send_scripts(self, commands: Sequence[RedisCommand], script: str) -> list[object]:
        """Return the answers of calls of a script; a node that does not know it, a new one, gets its text."""
        with translated(self.commands.address):
            answers = self._cluster.send(commands)
            unknown = [at for at, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
            again = self._cluster.send([(b"EVAL", script, *commands[at][2:]) for at in unknown])
            for at, answer in zip(unknown, again, strict=True):
                answers[at] = answer
        return answers

    def _pages(self, view: OnlineView) -> Iterator[list[bytes]]:
        with translated(self.commands.address):
            nodes = self._cluster.primaries()
        for node in nodes:
            yield from pages(partial(self._page_of, node), view)

    def _page_of(self, node: NodeAddress, *command: bytes | str | int) -> tuple[bytes, list[bytes]]:
        with translated(self.commands.address):
            return read_page(self._cluster.ask_node(node, *command))


class RedisClusterStore(PackedStore):
    """An `OnlineStore` at a `redis+cluster://` or `rediss+cluster://` URL."""

    def __init__(self, url: str, shown: str = "") -> None:
        super().__init__(RedisClusterBytes(ClusterCommands(address_of(url, shown))))


def _by_slot(rows: Sequence[tuple[bytes, bytes]]) -> dict[int, list[tuple[bytes, bytes]]]:
    """Return keys with their rows by the slot of the key; those of one slot stay in order."""
    places: dict[int, list[tuple[bytes, bytes]]] = {}
    for key, row in rows:
        places.setdefault(slot_of(key), []).append((key, row))
    return places


def _counter(view: OnlineView, slot: int) -> bytes:
    """Return the key of the counters of a slot."""
    return b"%b/count:{%b}" % (home_of(view).encode(), slot_tags()[slot])
