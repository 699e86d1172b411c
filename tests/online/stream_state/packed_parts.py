"""Parts of heads as somebody else may have written them: some can be read, some only nearly."""

from __future__ import annotations

from random import Random

import numpy as np

from tests.online.stream_state.events import BEGIN, SECOND

_FIRSTS = (0, -1, 2**63 - 1, -(2**63), BEGIN, BEGIN - 10 * SECOND)


def packed_integers(random: Random, count: int) -> bytes:
    """Integers of any form and width, or too few or too many bytes for them."""
    form = random.choice([random.randrange(256), random.randrange(9) + 16 * random.randrange(4), 8])
    bits = form % 64 + 1 if form >= 64 else 8 * (form % 16)
    size = max((bits * count + 7) // 8 + random.choice([0, 0, 0, 0, 0, 0, 1, -1, 8]), 0)
    body = random.randbytes(size) if random.random() < 0.7 else bytes(size)
    return random.choice(_FIRSTS).to_bytes(8, "big", signed=True) + bytes([form]) + body


def packed_times(random: Random, count: int) -> bytes:
    """Event times, of which there may be one more or less, or too large lower bytes."""
    lower, ones = random.choice([0, 0, 1, 2, 7, 8, 15]), count + random.choice([0, 0, 0, 0, 1, -1])
    bits = np.zeros(max(count, ones) + random.randrange(40), np.bool_)
    bits[random.sample(range(len(bits)), max(ones, 0))] = True
    first = random.choice(_FIRSTS).to_bytes(8, "big", signed=True)
    form = bytes([lower + 16 * random.choice([0, 0, 1, 2, 3])])
    lowers = b"".join(random.randrange(4).to_bytes(max(lower, 1), "little")[:lower] for _ in range(count))
    return first + form + lowers + np.packbits(bits).tobytes() + bytes(random.choice([0, 0, 0, 1, 9]))


def packed_stamps(random: Random, count: int) -> bytes:
    """Instants of availability of any form."""
    return bytes([random.choice([0, 1, 2, 3, random.randrange(256)])]) + packed_integers(random, count)


def packed_column(random: Random, count: int) -> bytes:
    """A column of any kind, with nulls or without."""
    kind, nulls = random.choice(b"idefo\xff"), random.choice([0, 0, 0, 1, 1, 2])
    head = bytes([kind, nulls]) + (random.randbytes((count + 7) // 8) if nulls == 1 else b"")
    if kind == ord("f"):
        return head + random.randbytes(max(8 * count + random.choice([0, 0, 0, 1, -1]), 0))
    if kind == ord("d"):
        head += bytes([random.choice([0, 1, 4, 5, 255])])
    if kind == ord("e"):
        table = random.choice([0, 1, 2, 3, 255])
        words = [random.randrange(table + (random.random() < 0.02) or 1) << 52 | random.getrandbits(52)] * count
        packed = bytes(8) + bytes([8]) + b"".join(word.to_bytes(8, "little") for word in words)
        return head + bytes([table]) + random.randbytes(2 * table) + packed
    return head + packed_integers(random, count)
