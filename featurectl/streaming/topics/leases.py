"""Who reads which partitions of a topic, where the broker does not divide them itself: a document with leases.

    {"READER": {"until_ms": 1764367452123, "partitions": [0, 2]}, ...}

A reader that is alive writes its own line anew, several times a lease, and by that alone gives up what is above its
share and takes what nobody has. The document is replaced only if it still is the one that was read, so that no
partition has two readers that are alive by the broker's clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.base import LEASE_S, Division, GroupReader

_RENEWALS: Final = 4  # in the time of a lease
_LEASE_MS: Final = int(LEASE_S * 1_000)
_GONE_AFTER: Final = 3  # lease times
_TRIES: Final = 50  # at a document that others replace


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLease:
    """What one reader has, until when by the broker's clock."""

    until_ms: int
    partitions: tuple[int, ...]


Leases = Mapping[str, PartitionLease]  # by the names of readers


class LeaseDocument(Protocol):
    """The document of one group, wherever it lies."""

    def read(self) -> tuple[str, int]:
        """Return its text, empty when there is none, and the broker's time in milliseconds."""

    def replace(self, before: str, after: str) -> bool:
        """Put a text in the place of the one that was read, and return whether that still was there."""


def parse_leases(text: str) -> Leases:
    """Return the leases that a text has.

    >>> parse_leases('{"a": {"until_ms": 5, "partitions": [0, 1]}}')["a"].partitions
    (0, 1)
    """
    found: dict[str, dict[str, list[int]]] = json.loads(text) if text else {}
    return {
        reader: PartitionLease(until_ms=int(str(lease["until_ms"])), partitions=tuple(lease["partitions"]))
        for reader, lease in found.items()
    }


def readers_seen(text: str, now_ms: int) -> Mapping[str, GroupReader]:
    """Return who has which partitions, by a document and the broker's clock, and how long ago each gave a sign.

    >>> found = readers_seen('{"a": {"until_ms": 5000, "partitions": [0]}}', 6_500)
    >>> found["a"].seen_s
    5.5
    """
    signs = [(name, lease, now_ms - lease.until_ms + _LEASE_MS) for name, lease in parse_leases(text).items()]
    return {
        name: GroupReader(partitions=lease.partitions, seen_s=max(0, ago_ms) / 1_000)
        for name, lease, ago_ms in signs
        if -_LEASE_MS <= ago_ms < _GONE_AFTER * _LEASE_MS
    }


def render_leases(leases: Leases) -> str:
    """Return leases as a text."""
    lines = {name: {"until_ms": lease.until_ms, "partitions": lease.partitions} for name, lease in leases.items()}
    return json.dumps(lines, sort_keys=True)


def divided(leases: Leases, division: Division, partitions: int, now_ms: int) -> Leases:
    """Return the leases after a reader has renewed its own: those that ended are gone.

    Each reader has the same number of partitions or one more, as soon as all have renewed theirs.

    >>> one = divided({}, Division(group="g", reader="a"), 3, 0)
    >>> two = divided(one, Division(group="g", reader="b"), 3, 1_000)
    >>> two["a"].partitions, two["b"].partitions
    ((0, 1, 2), ())
    >>> two = divided(two, Division(group="g", reader="a"), 3, 2_000)
    >>> divided(two, Division(group="g", reader="b"), 3, 3_000)["b"].partitions
    (2,)
    """
    me = division.reader
    lease_ms = int(division.lease_s * 1_000)
    latest_ms = now_ms + 2 * max(lease_ms, _LEASE_MS)  # one that ends later is of before the clock was set back
    others = {name: of for name, of in leases.items() if now_ms < of.until_ms <= latest_ms and name != me}
    names = sorted([*others, me])
    share = partitions // len(names) + (names.index(me) < partitions % len(names))
    held = {partition for lease in others.values() for partition in lease.partitions}
    before = leases[me].partitions if me in leases else ()
    own = [partition for partition in before if partition < partitions][:share]
    free = [partition for partition in range(partitions) if partition not in held and partition not in own]
    own += free[: share - len(own)]
    lease = PartitionLease(until_ms=now_ms + lease_ms, partitions=tuple(sorted(own)))
    return {**others, me: lease}


class GroupMember:
    """A reader of a group: renews its lease when it is time, and says what it gained and what it has no more."""

    def __init__(
        self, document: LeaseDocument, division: Division, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._document = document
        self._division = division
        self._clock = clock
        self._due_s = clock()
        self.partitions: frozenset[int] = frozenset()

    def renew(self, count: Callable[[], int]) -> tuple[frozenset[int], frozenset[int]]:
        """Return the partitions gained and revoked since the last call; `count` says how many there are by now."""
        if self._clock() < self._due_s:
            return frozenset(), frozenset()
        total = count()
        leases = self._replace(lambda leases, now_ms: divided(leases, self._division, total, now_ms))
        self._due_s = self._clock() + self._division.lease_s / _RENEWALS
        before, self.partitions = self.partitions, frozenset(leases[self._division.reader].partitions)
        return self.partitions - before, before - self.partitions

    def leave(self) -> None:
        """Give back all partitions, so that others take them when they renew their leases."""
        me = self._division.reader
        self._replace(lambda leases, _: {name: lease for name, lease in leases.items() if name != me})
        self.partitions = frozenset()

    def _replace(self, change: Callable[[Leases, int], Leases]) -> Leases:
        for _ in range(_TRIES):
            before, now_ms = self._document.read()
            after = change(parse_leases(before), now_ms)
            if self._document.replace(before, render_leases(after)):
                return after
        message = f"the readers of group {self._division.group} keep changing who reads what"
        raise StoreError(message, code="FC606", hint="a reader that calls again goes on")
