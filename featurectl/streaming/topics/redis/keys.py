"""Where topics lie in Redis or Valkey, and how the ids of entries become offsets.

    topic:{<topic>}                  hash: partitions -> their number, incarnation -> a text made when the topic was
    topic:{<topic>/<partition>}      stream: an entry a message, with the fields `key`, unless it has none, and `value`
    topic:{<topic>}/group/<group>    string: who reads which partition (`topics/leases.py`)

A stream has a group `trimmed`, by which nobody reads: its last id is that of the last entry that featurectl trimmed,
its count of read entries how many were gone by then. The braces are the hash tag of Redis Cluster: partitions lie on
any of its nodes. Any program may send with `XADD topic:{<topic>/<partition>} * value ...`; an entry of other fields is
a message whose value is a JSON object of them. An offset is `(milliseconds << 12) | sequence` of an entry's id.
"""

from __future__ import annotations

from typing import Final

SEQUENCE_BITS: Final = 12
SEQUENCES: Final = 1 << SEQUENCE_BITS
_MOST_MS: Final = 1 << 53 - SEQUENCE_BITS  # until 2039: registers in Redis compute with 53 bits


def topic_key(topic: str) -> bytes:
    """Return the key of the hash of a topic."""
    return b"topic:{%b}" % topic.encode()


def stream_key(topic: str, partition: int) -> bytes:
    """Return the key of the stream of a partition."""
    return b"topic:{%b/%d}" % (topic.encode(), partition)


def group_key(topic: str, group: str) -> bytes:
    """Return the key of the leases of a group."""
    return b"%b/group/%b" % (topic_key(topic), group.encode())


def offset_of(entry_id: bytes) -> int | None:
    """Return the offset of an entry, None where its id has none.

    >>> offset_of(b"1764367452123-2"), offset_of(b"0-1"), offset_of(b"1-4096")
    (7226849083895810, 1, None)
    """
    before, _, behind = entry_id.partition(b"-")
    milliseconds, sequence = int(before), int(behind)
    if sequence >= SEQUENCES or milliseconds >= _MOST_MS:
        return None
    return milliseconds << SEQUENCE_BITS | sequence


def entry_id(offset: int) -> bytes:
    """Return the id of the entry at an offset.

    >>> entry_id(offset_of(b"1764367452123-2"))
    b'1764367452123-2'
    """
    return b"%d-%d" % (offset >> SEQUENCE_BITS, offset & SEQUENCES - 1)
