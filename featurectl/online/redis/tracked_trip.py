"""One trip to a server that says which lists have changed: what is sent, and what its replies mean.

A list that was read on a connection, and of which nothing has come there by the reply before it, is what the server
would reply in its place. Nothing is taken on trust from a server that only says that it does so: the poll, which is
sent each time, must not differ either without a message, and the connection must be the one that it was. Of databases
that are swapped Redis says nothing but to who has watched a key: one of the lists is watched, and `CLIENT INFO`, the
last command of each trip, says whether it was touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, cast

import redis

from featurectl.online.redis.kept_lists import OF_AN_ELEMENT, WORTH, KeptLists, PromisedKeys
from featurectl.online.redis.stream_register import POLLED
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.received_lists import ReceivedList

OK: Final = b"OK"
_NEXT: Final[RedisCommand] = ("CLIENT", "CACHING", "YES")  # has the server say when the key of the next command changes
_ASK: Final[RedisCommand] = ("PING",)  # where a kept list is the first: what has changed by now comes before the reply
_INFO: Final[RedisCommand] = ("CLIENT", "INFO")
_UNWATCH: Final[RedisCommand] = ("UNWATCH",)
_FLUSHED, _BUSY = "all keys have changed", "BUSY"
_NAMES: Final = frozenset({bytes})
_LISTS, _POLLS = "LRANGE", "HMGET"
_SCATTER: Final = 0x9E3779B97F4A7C15  # multiples of it are spread evenly
_TRACKING, _TOUCHED = b"t", b"d"  # flags of a connection


class UntrackedError(Exception):
    """A server does not say which lists have changed, or is not to be believed."""


class ServerPromises:
    """What a server has promised to say on one connection, and what was read there under these promises.

    No elements are kept but while a list is watched.
    """

    def __init__(self, most: int) -> None:
        self.kept = KeptLists()
        self.polls: dict[bytes, object] = {}
        self.keys = PromisedKeys(most)
        self.watched: bytes | None = None
        self.connection: bytes | None = None  # as the server calls it
        self.is_flushed = False
        self._watches = 0

    def change(self, keys: Sequence[bytes]) -> None:
        """Forget what has changed."""
        for key in keys:
            self.kept.drop(key)
            self.polls.pop(key, None)
            self.keys.remove(key)
            if key == self.watched:
                self.unwatch()

    def unwatch(self) -> None:
        """Forget all lists: that which was watched was touched, and nobody knows what else."""
        self.watched = None
        self.kept.forget_elements()

    def watch_one(self, keys: Sequence[bytes]) -> bytes | None:
        """Return which of some lists is watched from now on, anywhere among them; None where there are none."""
        if not keys:
            return None
        self._watches += 1
        self.watched = keys[(self._watches * _SCATTER >> 16) % len(keys)]
        return self.watched

    def check_flushed(self) -> None:
        """Raise where all keys have changed.

        Raises:
            redis.ConnectionError: they have.
        """
        if self.is_flushed:
            raise redis.ConnectionError(_FLUSHED)

    def end(self, most: int) -> None:
        """Forget what was read on a connection that ends; the next one may hear of so many keys."""
        self.unwatch()
        self.polls.clear()
        self.keys = PromisedKeys(most)
        self.connection, self.is_flushed = None, False


class _Step(NamedTuple):
    """A command that was asked: its elements where they are kept, or whether the server is to say when they change."""

    command: RedisCommand
    elements: Sequence[bytes] | None
    is_tracked: bool


class TrackedTrip:
    """One trip: what is sent, what comes back, and what both say of lists that were not asked for."""

    def __init__(self, commands: Sequence[RedisCommand], promises: ServerPromises) -> None:
        self._promises = promises
        self._steps = [_step(command, promises) for command in commands]
        self._heard: deque[tuple[int, list[bytes]]] = deque()  # how many answers were here, and keys that had changed
        self._gone: set[bytes] = set()
        self.answers: list[object] = []
        self._is_watching = promises.watched is not None
        self._is_untold = False  # whether a poll differs of whose change nothing was said
        asked = [step for step in self._steps if step.elements is None]
        self.left_out = len(self._steps) - len(asked)
        self._watched = None if self._is_watching else promises.watch_one(_tracked_lists(asked))
        before = [] if self._watched is None else [_UNWATCH, ("WATCH", self._watched)]
        self.sent: list[RedisCommand] = [_ASK] if self._is_kept_first() else before
        self._begin = len(self.sent)
        for step in asked:
            self.sent += [_NEXT, step.command] if step.is_tracked else [step.command]
        self.sent.append(_INFO)

    def hear(self, keys: list[bytes] | None) -> None:
        """Take what the server says between two answers: these keys have changed, or all."""
        self._promises.is_flushed = self._promises.is_flushed or keys is None
        self._heard.append((len(self.answers), keys or []))

    def replies(self) -> list[object] | None:
        """Return the replies to all commands; None where a list had changed when it would have been read.

        Raises:
            UntrackedError: the server does not say what has changed.
            redis.ConnectionError: it says that all has, or that it is busy.
        """
        self._promises.check_flushed()
        at, is_stale, found = self._begin, False, list[object]()
        if self._watched is not None:
            _check(self.answers[:at])
        if self._is_kept_first():
            self._forget(0)
        for command, elements, is_tracked in self._steps:
            if elements is not None:
                is_stale = is_stale or command[1] in self._gone
                found.append(elements)
                continue
            if is_tracked:
                if self.answers[at] != OK:
                    _check(self.answers[at : at + 1])
                at += 1
            self._forget(at)
            found.append(self._take(command, self.answers[at], is_tracked=is_tracked))
            at += 1
        self._forget(len(self.answers))
        is_touched = self._is_touched(self.answers[at])
        if self._is_untold and self._is_watching and not is_touched:
            raise UntrackedError
        return None if is_stale or (is_touched and self.left_out) else found

    def _is_kept_first(self) -> bool:
        return bool(self._steps) and self._steps[0].elements is not None

    def _forget(self, until: int) -> None:
        """Forget what had changed when so many answers were here."""
        while self._heard and self._heard[0][0] <= until:
            keys = self._heard.popleft()[1]
            self._gone.update(keys)
            self._promises.change(keys)

    def _take(self, command: RedisCommand, reply: object, *, is_tracked: bool) -> object:
        """Take a reply, and return it as it is kept."""
        promises = self._promises
        if is_tracked:
            promises.keys.add(list_key(command))
        if command[0] == _LISTS:
            kept = self._kept(command, reply, is_tracked=is_tracked)
            if command[1] == self._watched and not reply:  # a key that is not there is not watched
                self._watched = None
                promises.unwatch()
            return kept
        if is_tracked and type(reply) is list:
            self._is_untold |= promises.polls.get(list_key(command), reply) != reply
            promises.polls[list_key(command)] = reply
        return reply

    def _kept(self, command: RedisCommand, reply: object, *, is_tracked: bool) -> object:
        """Keep a list that was read, or the key of one that may be kept another time; return it as it is kept."""
        if not is_tracked:
            note_lists(self._promises.kept, [command], [reply])
        elif type(reply) is list and _NAMES.issuperset(map(type, reply)):
            return self._promises.kept.keep(list_key(command), reply)
        return reply

    def _is_touched(self, info: object) -> bool:
        """Return whether the list that is watched was touched; all are forgotten then.

        Raises:
            UntrackedError: the server does not say so, or what was sent came over more than one connection.
        """
        if type(info) is not bytes:
            _check([info])
        promises, (connection, flags) = self._promises, connection_of(info)
        if _TRACKING not in flags or (promises.connection or connection) != connection:
            raise UntrackedError
        promises.connection = connection
        if promises.watched is None or _TOUCHED in flags:
            promises.unwatch()
        return _TOUCHED in flags


def connection_of(info: object) -> tuple[bytes, bytes]:
    """Return which connection a reply to `CLIENT INFO` is of, and its flags.

    >>> connection_of(b"id=6 addr=127.0.0.1:58736 flags=td db=0")
    (b'id=6', b'td')
    """
    text = info if type(info) is bytes else b""
    return text.partition(b" ")[0], text.partition(b" flags=")[2].partition(b" ")[0]


def is_list(command: RedisCommand) -> bool:
    """Return whether a command reads a list."""
    return command[0] == _LISTS


def is_poll(command: RedisCommand) -> bool:
    """Return whether a command asks a register for what a reader has to know."""
    return command[0] == _POLLS and command[2:] == POLLED


def note_lists(kept: KeptLists, commands: Sequence[RedisCommand], replies: Sequence[object]) -> None:
    """Remember the keys of lists that were read, which may be kept another time."""
    note_sizes(kept, commands, map(_list_size, replies))


def note_sizes(kept: KeptLists, commands: Sequence[RedisCommand], sizes: Iterable[int]) -> None:
    """Do what `note_lists` does, by how many bytes each list takes, about; 0 of what is none."""
    largest = kept.largest
    worth = [
        (cast("bytes", command[1]), size)
        for command, size in zip(commands, sizes, strict=True)
        if WORTH <= size <= largest and command[0] == _LISTS
    ]
    kept.see_keys([key for key, _ in worth], sum([size for _, size in worth]))


def _list_size(reply: object) -> int:
    """Return how many bytes a list takes, about: elements behind a head are short. There are 0 of what is none."""
    if type(reply) is ReceivedList:
        return reply.size + OF_AN_ELEMENT * (reply.end - reply.first)
    if type(reply) is list and reply and type(reply[0]) is bytes:
        return len(reply[0]) + OF_AN_ELEMENT * len(reply)
    return 0


def list_key(command: RedisCommand) -> bytes:
    """Return the key that a command reads."""
    key = command[1]
    assert type(key) is bytes
    return key


def list_keys(commands: Sequence[RedisCommand]) -> list[bytes]:
    """Return the keys of lists that commands read."""
    return [cast("bytes", command[1]) for command in commands if command[0] == _LISTS]


def _step(command: RedisCommand, promises: ServerPromises) -> _Step:
    if command[0] == _LISTS:
        key = list_key(command)
        elements = promises.kept.find(key)
        return _Step(command, elements, elements is None and promises.kept.knows(key) and promises.keys.takes(key))
    return _Step(command, None, is_poll(command))


def _tracked_lists(steps: Sequence[_Step]) -> list[bytes]:
    return [list_key(step.command) for step in steps if step.is_tracked and is_list(step.command)]


def _check(answers: Sequence[object]) -> None:
    """Raise where a command that has the server say what changes was not carried out.

    Raises:
        UntrackedError: it can't be.
        redis.ConnectionError: the server is busy with a script.
    """
    for answer in answers:
        if isinstance(answer, redis.ResponseError) and str(answer).startswith(_BUSY):
            raise redis.ConnectionError(str(answer))
        if answer != OK:
            raise UntrackedError
