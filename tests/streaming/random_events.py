"""Random events of cards and shops, as a producer sends them now: late, repeated, bad, with and without a key."""

from __future__ import annotations

import json
from random import Random

from featurectl.core.units import from_us
from tests.streaming.conveyor import CARDS, SHOPS
from tests.streaming.worker_program import wall_us


def random_event(random: Random) -> tuple[bytes | None, bytes]:
    """A key, and a value."""
    if random.random() < 0.01:
        return None, b"{"
    late_us = random.choice([0, 0, 0, random.randrange(4_000_000), -random.randrange(500_000)])
    event = {
        "swipe": random.choice([None, random.randrange(10**6), random.randrange(40)]),
        "card": f"c{random.randrange(CARDS)}",
        "shop": f"s{random.randrange(SHOPS)}",
        "arr_delay": random.choice([-3.0, 1.5, random.random() * 100]),
        "at": from_us(wall_us() - late_us).isoformat(),
    }
    return random.choice([None, str(event["card"]).encode()]), json.dumps(event).encode()
