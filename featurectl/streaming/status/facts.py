"""What can be seen of a stream from outside: its topic, its register, its log, and who works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

StreamVerdict = Literal["OK", "WARN", "STALE", "ERROR", "OFF"]
ViewPlace = Literal["online", "being made", "being made anew", "not online"]
TOPIC: Final = "topic"  # the parts that are looked at, by which `failures` are named
STORE: Final = "online store"
LOG: Final = "log"
_LOGGED_WITHIN_US: Final = 90_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProgress:
    """A partition: offsets from `begin` to before `end` in the topic, all before `done` in the lists of views.

    `unread` are the messages from `done` on. `applied` is the instant up to which all is in the lists. None: not
    known, be it that nobody has read it or that a part did not answer.
    """

    partition: int
    begin: int | None = None
    end: int | None = None
    done: int | None = None
    unread: int | None = None
    applied: datetime | None = None
    reader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEvents:
    """Events that became available within `seconds` before the log's end.

    Those are `late` that had happened more than a minute before; `repeats` are copies of others among them, None where
    the source has no `dedup_key`. `null_keys` are by view those that it leaves out, as a part of its key is null.
    """

    seconds: float
    events: int
    late: int | None
    repeats: int | None
    null_keys: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """A stream at a moment.

    `asof` is the instant up to which all events are online, `clock` the store's time when it was asked; `logged` the
    instant up to which they are in the log, which has `gaps` where stamps were lost. `failures` say by part (topic,
    online store, log) why it could not be looked at, or what is wrong with it. `readers` are the workers with their
    partitions, `seen_s` how long ago each gave a sign, where the broker tells.
    """

    source: str
    topic: str
    verdict: StreamVerdict = "OK"
    partitions: Sequence[PartitionProgress] = ()
    asof: datetime | None = None
    clock: datetime | None = None
    warn_after_us: int | None = None
    error_after_us: int | None = None
    views: Mapping[str, ViewPlace] = field(default_factory=dict)
    readers: Mapping[str, Sequence[int]] | None = None
    seen_s: Mapping[str, float] = field(default_factory=dict)
    logged: datetime | None = None
    gaps: Sequence[tuple[datetime, datetime]] = ()
    rejected: int | None = None
    recent: RecentEvents | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def age_us(self) -> int | None:
        """How long ago what is online was true, in microseconds by the store's clock."""
        if self.asof is None or self.clock is None:
            return None
        return _microseconds(self.asof, self.clock)

    @property
    def log_behind_us(self) -> int:
        """How far the log is behind what is online, in microseconds; 0 where that is no longer than it may be.

        Workers log what came every few seconds, and each minute that nothing came. What is not logged for longer waits
        for predictions, or for an offline store that does not take it.
        """
        if self.asof is None or self.logged is None:
            return 0
        behind_us = _microseconds(self.logged, self.asof)
        return behind_us if behind_us > _LOGGED_WITHIN_US else 0

    @property
    def is_worked_on(self) -> bool:
        """Whether a worker has a partition now; False where the broker does not tell."""
        return any((self.readers or {}).values())

    @property
    def unread(self) -> int | None:
        """How many messages of all partitions are not online yet; None where that is not known of one."""
        known = [of.unread for of in self.partitions]
        return None if not known or None in known else sum(filter(None, known))


def verdict_of(status: StreamStatus) -> StreamVerdict:
    """Return how a stream is: what could not be looked at, what is not online, its age against its SLA, then its log.

    >>> verdict_of(StreamStatus(source="swipes", topic="swipes"))
    'OFF'
    """
    if status.failures:
        return "ERROR"
    age_us = status.age_us
    if age_us is None or any(place in ("being made", "not online") for place in status.views.values()):
        return "OFF"
    if status.error_after_us is not None and age_us > status.error_after_us:
        return "STALE"
    is_late = status.warn_after_us is not None and age_us > status.warn_after_us
    return "WARN" if is_late or status.log_behind_us else "OK"


def _microseconds(begin: datetime, end: datetime) -> int:
    length = end - begin
    return max(0, (length.days * 86_400 + length.seconds) * 1_000_000 + length.microseconds)
