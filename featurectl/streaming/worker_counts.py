"""What a worker has done since it began."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class WorkerCounts:
    """What a worker has done since it began. `begun_anew`: how often it took up partitions again after a loss.

    `late` are events whose time lies more than a minute before their stamp, `reasons` count the rejected ones by kind,
    `null_keys` by view those that it left out as a part of its entity's key is null. `logged_at_s` is when the log last
    said what was taken, by the wall, 0.0 where it never did. `erased` are events of keys that were erased, which count
    nowhere else but in `events` of a worker that did not know that.
    """

    events: int = 0
    late: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    null_keys: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    logged: int = 0
    compacted: int = 0
    erased: int = 0
    begun_anew: int = 0
    logged_at_s: float = 0.0
