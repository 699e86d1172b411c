"""Elements on their way into lists: commands as bytes, many at once, and how long the lists have become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.online.redis.answers import read_number
from featurectl.online.redis.connect import translated
from featurectl.online.redis.stream_keys import list_ends
from featurectl.online.redis.stream_masters import PinnedMasters
from featurectl.online.redis.stream_pinned import CommandChunk, chunk_of
from featurectl.online.stream_state.base import ListAppend, StreamSource

_LISTS_A_ROUND: Final = 500  # of a master: the next commands are made while the server works off those
_PUSH_ONE: Final = b"*3\r\n$5\r\nRPUSH\r\n$%d\r\n%b%b%b\r\n$%d\r\n%b\r\n"
ListPush = tuple[bytes, Sequence[bytes]]  # an entity, and the elements that its list gets


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendLeg:
    """The lists of one append that one master has, in the order of the commands; `lengths` take its replies."""

    ends: tuple[bytes, bytes]
    entities: Sequence[bytes]
    lengths: dict[bytes, int]

    def take(self, masters: PinnedMasters, replies: Sequence[object]) -> None:
        """Take the replies to the commands.

        Raises:
            StoreError: one is an error.
        """
        if {*map(type, replies)} - {int}:
            before, after = self.ends
            masters.about([before + entity + after for entity in self.entities], replies)
        with translated(masters.address):
            self.lengths.update(zip(self.entities, map(read_number, replies), strict=True))


def append_elements(
    masters: PinnedMasters, source: StreamSource, appends: Sequence[ListAppend]
) -> list[Mapping[bytes, int]]:
    """Append elements, and return how long the lists of each append's entities have become.

    Raises:
        StoreError: a master refuses, is full, or has another type at a key.
    """
    lengths = [dict[bytes, int]() for _ in appends]
    legs: list[list[AppendLeg]] = [[] for _ in masters.masters]

    def rounds() -> Iterator[list[CommandChunk]]:
        for append, found in zip(appends, lengths, strict=True):
            ends, pushes, size = list_ends(source, append.generation), pushes_of(append), _LISTS_A_ROUND * len(legs)
            for start in range(0, len(pushes), size):
                yield _round(masters, legs, ends, (pushes[start : start + size], found))

    for of, replies in zip(legs, masters.exchange_rounds(rounds()), strict=True):
        start = 0
        for leg in of:
            leg.take(masters, replies[start : start + len(leg.entities)])
            start += len(leg.entities)
    return [*lengths]


def _round(
    masters: PinnedMasters,
    legs: Sequence[list[AppendLeg]],
    ends: tuple[bytes, bytes],
    some: tuple[Sequence[ListPush], dict[bytes, int]],
) -> list[CommandChunk]:
    """Return the commands for each master of some pushes, and note who takes the replies."""
    pushes, lengths = some
    chunks = []
    for of, own in zip(legs, _by_master(masters, ends, pushes), strict=True):
        of.append(AppendLeg(ends=ends, entities=[entity for entity, _ in own], lengths=lengths))
        chunks.append(chunk_of(push_commands(ends, own)))
    return chunks


def _by_master(
    masters: PinnedMasters, ends: tuple[bytes, bytes], pushes: Sequence[ListPush]
) -> Sequence[Sequence[ListPush]]:
    """Return the pushes to lists that each master has."""
    if len(masters.masters) == 1:
        return [pushes]
    before, after = ends
    found: list[list[ListPush]] = [[] for _ in masters.masters]
    for push in pushes:
        found[masters.owner(before + push[0] + after)].append(push)
    return found


def pushes_of(append: ListAppend) -> list[ListPush]:
    """Return what is pushed to the list of each entity, in order.

    Where most entities have one element, one push for each element takes less than to gather those of an entity.

    >>> from featurectl.online.stream_state.base import Generation
    >>> made = Generation(view="spend@1", id="5f2c9a01")
    >>> pushes_of(ListAppend(generation=made, entities=[b"a", b"b", b"a"], elements=[b"1", b"2", b"3"]))
    [(b'a', (b'1',)), (b'b', (b'2',)), (b'a', (b'3',))]
    >>> pushes_of(ListAppend(generation=made, entities=[b"a", b"a", b"a"], elements=[b"1", b"2", b"3"]))
    [(b'a', [b'1', b'2', b'3'])]
    """
    entities, elements = append.entities, append.elements
    if 2 * len({*entities}) >= len(entities):
        return [*zip(entities, zip(elements, strict=True), strict=True)]
    found: dict[bytes, list[bytes]] = {}
    for entity, element in zip(entities, elements, strict=True):
        found.setdefault(entity, []).append(element)
    return [*found.items()]


def push_commands(ends: tuple[bytes, bytes], pushes: Sequence[ListPush]) -> list[bytes]:
    r"""Return the bytes of an RPUSH for each push; `ends` are what is before and after an entity in a key.

    >>> push_commands((b"k/", b"/1"), [(b"ab", [b"cd"])])
    [b'*3\r\n$5\r\nRPUSH\r\n$6\r\nk/ab/1\r\n$2\r\ncd\r\n']
    """
    before, after = ends
    size = len(before) + len(after)
    return [
        _PUSH_ONE % (size + len(entity), before, entity, after, len(elements[0]), elements[0])
        if len(elements) == 1
        else push_command(before + entity + after, elements)
        for entity, elements in pushes
    ]


def push_command(key: bytes, elements: Sequence[bytes]) -> bytes:
    r"""Return the bytes of an RPUSH.

    >>> push_command(b"k", [b"ab"])
    b'*3\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n$2\r\nab\r\n'
    """
    begin = b"*%d\r\n$5\r\nRPUSH\r\n$%d\r\n%b\r\n" % (len(elements) + 2, len(key), key)
    return begin + b"".join([b"$%d\r\n%b\r\n" % (len(element), element) for element in elements])
