"""Trips to a server that says what has changed, against one that is played: a list is what it was at its turn."""

from __future__ import annotations

from random import Random

import pytest
import redis

from featurectl.online.redis.kept_lists import KeptLists, PromisedKeys
from featurectl.online.redis.tracked_trip import ServerPromises, TrackedTrip, UntrackedError, note_lists

KEYS = [b"list:%d" % number for number in range(6)]
POLL = ("HMGET", b"register", "asof", "views")
VIEWS = ("HGET", b"register", "views")
CACHING, INFO = ("CLIENT", "CACHING", "YES"), ("CLIENT", "INFO")
QUIET = b"id=6 flags=t db=0"


class PlayedServer:
    """Carries out what a trip sends, one command after the other, while others write in between.

    It tells of a write once to who has read the key after `CLIENT CACHING YES`. Its database may be swapped with
    another, of which it tells nothing, but a list that is watched is touched by that, as by writes.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lists = {key: [b"head" * 300] for key in KEYS}
        self.other = {key: [b"back" * 300] for key in KEYS}
        self.asof = 1
        self.told: set[bytes] = set()
        self.watched: bytes | None = None
        self.flags = b"t"
        self.is_next = self.is_silent = False

    def write(self, trip: TrackedTrip) -> None:
        """Change a list, the register first, as an event does."""
        self.asof += 1
        self.tell(POLL[1], trip)
        key = self.random.choice(KEYS)
        rest = [b"more%d" % self.asof] if self.random.random() < 0.8 else []
        self.lists[key] = [*self.lists[key], *rest] if rest else [b"%d" % self.asof * 300]
        self.tell(key, trip)

    def swap(self, trip: TrackedTrip) -> None:
        """Put another database in the place of this one, which has the same register, or says so of its own."""
        self.lists, self.other = self.other, self.lists
        self.flags = b"td" if self.watched else self.flags
        if self.random.random() < 0.5:
            self.tell(POLL[1], trip)

    def tell(self, key: bytes, trip: TrackedTrip) -> None:
        if key == self.watched:
            self.flags = b"td"
        if key in self.told and not self.is_silent:
            trip.hear([key])
        self.told.discard(key)

    def carry_out(self, trip: TrackedTrip, writes: float, swaps: float = 0.0) -> list[dict[bytes, list[bytes]]]:
        """Answer a trip, and return what lists were at each of its commands."""
        states = []
        for command in trip.sent:
            if self.random.random() < writes:
                self.write(trip)
            if self.random.random() < swaps:
                self.swap(trip)
            states.append(dict(self.lists))
            trip.answers.append(self.reply(command))
        return states

    def reply(self, command) -> object:
        """Carry out a command."""
        is_told, self.is_next = self.is_next, command == CACHING
        if is_told:
            self.told.add(command[1])
        if command == INFO:
            return b"id=6 addr=127.0.0.1:58736 flags=" + self.flags + b" db=0"
        if command[0] in {"WATCH", "UNWATCH"}:
            self.watched = command[1] if command[1:] else None
            self.flags = self.flags if self.watched else b"t"
        return {VIEWS: b"", ("PING",): b"PONG", POLL: [b"%d" % self.asof, b""]}.get(
            command, [*self.lists[command[1]]] if command[0] == "LRANGE" else b"OK"
        )


def lists_of(command_keys) -> list:
    return [POLL, *(("LRANGE", key, 0, -1) for key in command_keys), VIEWS]


@pytest.mark.sample(50)
@pytest.mark.parametrize(("writes", "swaps"), [(0.0, 0.0), (0.05, 0.0), (0.4, 0.0), (0.03, 0.03), (0.0, 0.1)])
@pytest.mark.parametrize("seed", range(60))
def test_replies_are_those_of_the_server_when_it_was_asked(seed, writes, swaps):
    server, promises = PlayedServer(seed), ServerPromises(100)
    left_out = 0
    for _ in range(40):
        commands = [
            command
            for _ in range(server.random.choice([1, 2]))
            for command in lists_of(server.random.sample(KEYS, server.random.randint(1, 6)))
        ]
        if server.random.random() < 0.3:  # lists whose poll went with the trip before, which was too long
            commands = [command for command in commands if command[0] == "LRANGE"]
        trip = TrackedTrip(commands, promises)
        states = server.carry_out(trip, writes, swaps)
        found = trip.replies()
        sent = next(at for at, command in enumerate(trip.sent) if command[0] not in {"PING", "WATCH", "UNWATCH"})
        for command, reply in zip(commands, found or (), strict=found is not None):
            is_kept = command[0] == "LRANGE" and command not in trip.sent[sent : sent + 2]
            if not is_kept:
                sent += 2 if trip.sent[sent] == CACHING else 1
            if command[0] == "LRANGE":
                assert reply == states[sent - 1][command[1]]
                left_out += is_kept
    assert left_out or writes + swaps > 0.05


def test_a_list_that_changes_before_its_turn_is_asked_for_anew():
    promises, server = ServerPromises(100), PlayedServer(0)
    for _ in range(2):
        trip = TrackedTrip(lists_of(KEYS[:1]), promises)
        server.carry_out(trip, 0.0)
        assert trip.replies() is not None
    early, late = (TrackedTrip(lists_of(KEYS[:1]), promises) for _ in range(2))
    assert [command[0] for command in early.sent] == ["CLIENT", "HMGET", "HGET", "CLIENT"]
    early.answers += [b"OK"]
    early.hear([POLL[1]])
    early.hear(KEYS[:1])  # before the poll was read
    early.answers += [[b"2", b""], b"", QUIET]
    assert early.replies() is None
    assert promises.kept.find(KEYS[0]) is None
    late.answers += [b"OK", [b"2", b""]]
    late.hear(KEYS[:1])
    late.answers += [b"", QUIET]
    assert late.replies() == [[b"2", b""], server.lists[KEYS[0]], b""]


def test_databases_that_were_swapped_are_read_anew_at_once():
    promises, server = ServerPromises(100), PlayedServer(0)
    for swaps in (0.0, 0.0, 1.0, 0.0, 0.0):
        trip = TrackedTrip(lists_of(KEYS), promises)
        if swaps:
            server.swap(trip)
        server.carry_out(trip, 0.0)
        found = trip.replies()
        assert (found is None) == (swaps > 0)
        assert found is None or found[1:-1] == [*server.lists.values()]


def test_a_list_that_changes_behind_the_last_answer_is_not_kept():
    promises, server = ServerPromises(100), PlayedServer(0)
    for _ in range(2):
        server.carry_out(trip := TrackedTrip(lists_of(KEYS), promises), 0.0)
        trip.hear([key for key in KEYS[2:3] if key != promises.watched])
        assert trip.replies() is not None
    assert [promises.kept.find(key) is None for key in KEYS] == [False, False, True, False, False, False]


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_server_that_does_not_tell_is_not_believed(is_watched):
    promises, server = ServerPromises(100), PlayedServer(0)
    for _ in range(2 if is_watched else 1):
        server.carry_out(trip := TrackedTrip(lists_of(KEYS), promises), 0.0)
        assert trip.replies()
    assert (promises.watched is not None) == is_watched
    server.is_silent = True
    for _ in range(10):
        server.write(trip)
    server.flags = b"t"  # as if none of them had been that which is watched
    server.carry_out(trip := TrackedTrip(lists_of(KEYS), promises), 0.0)
    if is_watched:
        with pytest.raises(UntrackedError):
            trip.replies()
    else:
        assert trip.replies() == [server.reply(command) for command in lists_of(KEYS)]


def test_a_server_that_knows_no_tracking_is_left_alone():
    promises = ServerPromises(100)
    trip = TrackedTrip(lists_of([]), promises)
    trip.answers += [redis.ResponseError("unknown"), [b"1", b""], b"", QUIET]
    with pytest.raises(UntrackedError):
        trip.replies()


@pytest.mark.parametrize("info", [b"id=7 flags=t db=0", b"id=6 flags=N db=0", b"", None, redis.ResponseError("no")])
def test_a_connection_that_is_another_or_tells_nothing_is_not_believed(info):
    promises, server = ServerPromises(100), PlayedServer(0)
    for _ in range(2):
        server.carry_out(trip := TrackedTrip(lists_of(KEYS), promises), 0.0)
        trip.replies()
    server.carry_out(trip := TrackedTrip(lists_of(KEYS), promises), 0.0)
    trip.answers[-1] = info
    with pytest.raises(UntrackedError):
        trip.replies()


def see(kept: KeptLists, key: bytes, size: int) -> None:
    """Have a list read that has so many bytes."""
    note_lists(kept, [("LRANGE", key, 0, -1)], [[b"x" * size]])


def test_a_list_that_is_not_there_is_not_watched():
    promises, server = ServerPromises(100), PlayedServer(0)
    for key in KEYS:
        see(promises.kept, key, 2_000)
    server.lists = {key: [] for key in KEYS}
    server.carry_out(trip := TrackedTrip(lists_of(KEYS), promises), 0.0)
    assert trip.replies()
    assert promises.watched is None
    assert [promises.kept.find(key) for key in KEYS] == [None] * len(KEYS)


def test_nothing_is_known_where_all_was_removed():
    trip = TrackedTrip(lists_of(KEYS), ServerPromises(100))
    PlayedServer(0).carry_out(trip, 0.0)
    trip.hear(None)
    with pytest.raises(redis.ConnectionError):
        trip.replies()


def test_kept_lists_have_a_bound_and_leave_out_small_ones():
    kept = KeptLists(100_000)
    see(kept, b"small", 100)
    assert not kept.knows(b"small")
    for number in range(500):
        key = b"%d" % number
        see(kept, key, 2_000)
        assert kept.knows(key)
        kept.keep(key, [b"x" * 2_000])
        assert kept.find(key) == [b"x" * 2_000]
        assert kept.find(b"0") or number > 1 or kept.knows(b"0")
    held = [number for number in range(500) if kept.find(b"%d" % number)]
    assert 37 <= len(held) <= 40  # as many as there is room for
    for _ in range(200):  # a list that changes takes its own room alone
        kept.keep(b"499", [b"x" * 2_000])
    assert [kept.find(b"%d" % number) is not None for number in held].count(True) == len(held)
    kept.keep(b"499", [b"x" * 60_000])
    assert kept.knows(b"499")
    assert kept.find(b"499") is None


def test_so_many_keys_are_promised_at_most():
    promised = PromisedKeys(1_000)
    keys = [b"key:%d" % number for number in range(50_000)]
    for _ in range(2):
        taken = [key for key in keys if promised.takes(key) and (promised.add(key) or True)]
        assert taken == keys[:1_000]
        assert promised.is_full
    promised.remove(keys[7])
    assert not promised.is_full
    assert promised.takes(keys[2_000])
