"""Elements on their way into lists: commands as bytes, many at once, and how long the lists have become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.online.redis.answers import read_number
from featurectl.online.redis.connect import translated
from featurectl.online.redis.stream_keys import list_ends
from featurectl.online.redis.stream_masters import PinnedMasters
from featurectl.online.redis.stream_pinned import CommandChunk, chunk_of
from featurectl.online.stream_state.base import ListAppend, StreamSource

_LISTS_A_ROUND: Final = 500  # of a master: the next commands are made while the server works off those


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
            ends, grouped = list_ends(source, append.generation), elements_by_entity(append)
            entities, size = [*grouped], _LISTS_A_ROUND * len(legs)
            for start in range(0, len(entities), size):
                yield _round(masters, legs, grouped, (ends, entities[start : start + size], found))

    for of, replies in zip(legs, masters.exchange_rounds(rounds()), strict=True):
        start = 0
        for leg in of:
            leg.take(masters, replies[start : start + len(leg.entities)])
            start += len(leg.entities)
    return [*lengths]


def _round(
    masters: PinnedMasters,
    legs: Sequence[list[AppendLeg]],
    grouped: Mapping[bytes, list[bytes]],
    some: tuple[tuple[bytes, bytes], Sequence[bytes], dict[bytes, int]],
) -> list[CommandChunk]:
    """Return the commands for each master of some entities, and note who takes the replies."""
    (before, after), entities, lengths = some
    chunks = []
    for of, own in zip(legs, _by_master(masters, (before, after), entities), strict=True):
        of.append(AppendLeg(ends=(before, after), entities=own, lengths=lengths))
        chunks.append(chunk_of([push_command(before + entity + after, grouped[entity]) for entity in own]))
    return chunks


def _by_master(
    masters: PinnedMasters, ends: tuple[bytes, bytes], entities: Sequence[bytes]
) -> Sequence[Sequence[bytes]]:
    """Return the entities whose lists each master has."""
    if len(masters.masters) == 1:
        return [entities]
    before, after = ends
    found: list[list[bytes]] = [[] for _ in masters.masters]
    for entity in entities:
        found[masters.owner(before + entity + after)].append(entity)
    return found


def elements_by_entity(append: ListAppend) -> dict[bytes, list[bytes]]:
    """Return the elements of each entity in their order."""
    found: dict[bytes, list[bytes]] = {}
    for entity, element in zip(append.entities, append.elements, strict=True):
        if entity in found:
            found[entity].append(element)
        else:
            found[entity] = [element]
    return found


def push_command(key: bytes, elements: Sequence[bytes]) -> bytes:
    r"""Return the bytes of an RPUSH.

    >>> push_command(b"k", [b"ab"])
    b'*3\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n$2\r\nab\r\n'
    """
    if len(elements) == 1:  # most of them
        return b"*3\r\n$5\r\nRPUSH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(elements[0]), elements[0])
    begin = b"*%d\r\n$5\r\nRPUSH\r\n$%d\r\n%b\r\n" % (len(elements) + 2, len(key), key)
    return begin + b"".join([b"$%d\r\n%b\r\n" % (len(element), element) for element in elements])
