"""Time reads one by one, in any Python: ours and Feast's are timed by this."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Sequence


def time_reads(get: Callable[[Sequence[int]], object], asked: int, entities: int, seconds: float) -> None:
    """Read features of so many entities again and again, and print percentiles in milliseconds and CPU microseconds."""
    chance = random.Random(11)
    questions = [[chance.randrange(asked) for _ in range(entities)] for _ in range(1_000)]
    for question in questions[:50]:
        get(question)
    taken: list[float] = []
    end, cpu = time.perf_counter() + seconds, time.process_time()
    while (begin := time.perf_counter()) < end:
        get(questions[len(taken) % len(questions)])
        taken.append(time.perf_counter() - begin)
    cpu = time.process_time() - cpu
    taken.sort()
    found = {name: 1e3 * taken[int(share * (len(taken) - 1))] for name, share in (("p50", 0.5), ("p99", 0.99))}
    sys.stdout.write(json.dumps(found | {"cpu_us": 1e6 * cpu / len(taken), "reads": len(taken)}))
