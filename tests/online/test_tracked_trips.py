"""Trips to a server that says what has changed, against one that is played: a list is what it was at its turn."""

from __future__ import annotations

from random import Random

import pytest
import redis

from featurectl.online.redis.kept_lists import KeptLists
from featurectl.online.redis.tracked_trips import TrackedTrip, UntrackedError

KEYS = [b"list:%d" % number for number in range(6)]
POLL = ("HMGET", b"register", "asof", "views")
VIEWS = ("HGET", b"register", "views")


class PlayedServer:
    """Carries out what a trip sends, one command after the other, while others write in between.

    It tells of a write once to who has read the key after `CLIENT CACHING YES`.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lists = {key: [b"head" * 300] for key in KEYS}
        self.asof = 1
        self.told: set[bytes] = set()
        self.is_silent = False

    def write(self, trip: TrackedTrip) -> None:
        """Change a list, the register first, as an event does."""
        self.asof += 1
        self.tell(POLL[1], trip)
        key = self.random.choice(KEYS)
        rest = [b"more%d" % self.asof] if self.random.random() < 0.8 else []
        self.lists[key] = [*self.lists[key], *rest] if rest else [b"%d" % self.asof * 300]
        self.tell(key, trip)

    def tell(self, key: bytes, trip: TrackedTrip) -> None:
        if key in self.told and not self.is_silent:
            trip.hear([key])
        self.told.discard(key)

    def carry_out(self, trip: TrackedTrip, writes: float) -> list[dict[bytes, list[bytes]]]:
        """Answer a trip, and return what lists were at each of its commands."""
        states, is_next = [], False
        for command in trip.sent:
            if self.random.random() < writes:
                self.write(trip)
            states.append(dict(self.lists))
            if command[0] == "CLIENT":
                trip.answers.append(b"OK")
                is_next = True
                continue
            trip.answers.append(self.reply(command))
            if is_next and command[1:] and isinstance(command[1], bytes):
                self.told.add(command[1])
            is_next = False
        return states

    def reply(self, command) -> list[bytes] | bytes:
        if command == ("PING",):
            return b"PONG"
        if command == POLL:
            return [b"%d" % self.asof, b""]
        return b"" if command == VIEWS else [*self.lists[command[1]]]


def lists_of(command_keys) -> list:
    return [POLL, *(("LRANGE", key, 0, -1) for key in command_keys), VIEWS]


@pytest.mark.parametrize("writes", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("seed", range(60))
def test_replies_are_those_of_the_server_when_it_was_asked(seed, writes):
    server, kept, polls = PlayedServer(seed), KeptLists(), {}
    left_out = 0
    for _ in range(40):
        commands = [
            command
            for _ in range(server.random.choice([1, 2]))
            for command in lists_of(server.random.sample(KEYS, server.random.randint(1, 6)))
        ]
        if server.random.random() < 0.3:  # lists whose poll went with the trip before, which was too long
            commands = [command for command in commands if command[0] == "LRANGE"]
        trip = TrackedTrip(commands, kept, polls)
        states = server.carry_out(trip, writes)
        found = trip.replies()
        sent = int(trip.sent[0] == ("PING",))
        for command, reply in zip(commands, found or (), strict=found is not None):
            is_kept = command[0] == "LRANGE" and command not in trip.sent[sent : sent + 2]
            if not is_kept:
                sent += 2 if trip.sent[sent][0] == "CLIENT" else 1
            if command[0] == "LRANGE":
                assert reply == states[sent - 1][command[1]]
                left_out += is_kept
    assert left_out or writes > 0.1


def test_a_list_that_changes_before_its_turn_is_asked_for_anew():
    kept, polls, server = KeptLists(), {}, PlayedServer(0)
    for _ in range(2):
        trip = TrackedTrip(lists_of(KEYS[:1]), kept, polls)
        server.carry_out(trip, 0.0)
        assert trip.replies() is not None
    early, late = (TrackedTrip(lists_of(KEYS[:1]), kept, polls) for _ in range(2))
    assert [command[0] for command in early.sent] == ["CLIENT", "HMGET", "HGET"]
    early.answers += [b"OK"]
    early.hear([POLL[1]])
    early.hear(KEYS[:1])  # before the poll was read
    early.answers += [[b"2", b""], b""]
    assert early.replies() is None
    assert kept.find(KEYS[0]) is None
    late.answers += [b"OK", [b"2", b""]]
    late.hear(KEYS[:1])
    late.answers += [b""]
    assert late.replies() == [[b"2", b""], server.lists[KEYS[0]], b""]


def test_a_list_that_changes_behind_the_last_answer_is_not_kept():
    kept, polls, server = KeptLists(), {}, PlayedServer(0)
    for _ in range(2):
        server.carry_out(trip := TrackedTrip(lists_of(KEYS), kept, polls), 0.0)
        trip.hear(KEYS[2:3])
        assert trip.replies() is not None
    assert [kept.find(key) is None for key in KEYS] == [False, False, True, False, False, False]


def test_a_server_that_does_not_tell_is_not_believed():
    kept, polls, server = KeptLists(), {}, PlayedServer(0)
    server.carry_out(first := TrackedTrip(lists_of(KEYS), kept, polls), 0.0)
    assert first.replies()
    server.is_silent = True
    server.write(first)
    server.carry_out(second := TrackedTrip(lists_of(KEYS), kept, polls), 0.0)
    with pytest.raises(UntrackedError):
        second.replies()


def test_a_server_that_knows_no_tracking_is_left_alone():
    kept, polls = KeptLists(), {}
    trip = TrackedTrip(lists_of([]), kept, polls)
    trip.answers += [redis.ResponseError("unknown"), [b"1", b""], b""]
    with pytest.raises(UntrackedError):
        trip.replies()


def test_nothing_is_known_where_all_was_removed():
    trip = TrackedTrip(lists_of(KEYS), KeptLists(), {})
    PlayedServer(0).carry_out(trip, 0.0)
    trip.hear(None)
    with pytest.raises(redis.ConnectionError):
        trip.replies()


def test_kept_lists_have_a_bound_and_leave_out_small_ones():
    kept = KeptLists(100_000)
    kept.see(b"small", [b"x" * 100])
    assert not kept.knows(b"small")
    for number in range(500):
        key = b"%d" % number
        kept.see(key, [b"x" * 2_000])
        assert kept.knows(key)
        kept.keep(key, [b"x" * 2_000])
        assert kept.find(key) == [b"x" * 2_000]
        assert kept.find(b"0") or number > 1 or kept.knows(b"0")
    held = [number for number in range(500) if kept.find(b"%d" % number)]
    assert 20 <= len(held) <= 50
    for _ in range(200):  # a list that changes takes its own room alone
        kept.keep(b"499", [b"x" * 2_000])
    assert [kept.find(b"%d" % number) is not None for number in held].count(True) == len(held)
    kept.keep(b"499", [b"x" * 60_000])
    assert kept.knows(b"499")
    assert kept.find(b"499") is None
