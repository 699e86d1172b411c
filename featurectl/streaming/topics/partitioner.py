"""Which partition a key lies in: as the clients of Kafka choose by default, so that all producers agree."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def murmur2(key: bytes) -> int:
    """Return the 32-bit hash of a key, as Kafka has it.

    Source: MurmurHash2 by Austin Appleby; the seed is Kafka's.

    >>> murmur2(b"21"), murmur2(b"")  # as Java has them: -973932308, 275646681
    (3321034988, 275646681)
    """
    mixed = (_SEED ^ len(key)) & _WORD
    whole = len(key) // 4
    for part in struct.unpack_from(f"<{whole}I", key):
        word = part * _FACTOR & _WORD
        word = (word ^ word >> 24) * _FACTOR & _WORD
        mixed = mixed * _FACTOR & _WORD ^ word
    if rest := key[whole * 4 :]:
        mixed = (mixed ^ int.from_bytes(rest, "little")) * _FACTOR & _WORD
    mixed = (mixed ^ mixed >> 13) * _FACTOR & _WORD
    return mixed ^ mixed >> 15


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key among so many.

    >>> partition_of(b"card-7", 4)
    2
    """
    return (murmur2(key) & _POSITIVE) % partitions
