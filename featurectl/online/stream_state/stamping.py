"""Which stamps a batch's offsets get: the log's, the worker's own, else one new instant. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from featurectl.online.stream_state.base import KnownStamps, StampRange


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedEnd:
    """How far a partition is stamped: to before `end`, its last stamp, what is applied, the source's last stamp."""

    end: int
    stamp: int
    applied: int
    last: int


def plan_stamps(at: StampedEnd, first: int, end: int, clock: int, known: KnownStamps) -> list[StampRange]:
    """Return ranges for the offsets of a batch that have no stamp, and for those behind it of a stamp that was lost.

    A new stamp is the clock's instant, but above `applied` and above every stamp of the source.

    >>> plan_stamps(StampedEnd(end=3, stamp=7, applied=7, last=9), 2, 5, 8, KnownStamps())
    [StampRange(first=3, end=5, stamp=10)]
    """
    fresh, stamp, last, offset = 0, at.stamp, at.last, max(first, at.end)
    added: list[StampRange] = []
    while True:
        piece, is_logged = _piece(offset, known) or (None, False)
        if offset >= end and (piece is None or piece.stamp != stamp):
            return added
        until = end if offset < end else offset + 1
        if fresh:
            until = until if piece is None or offset < end else piece.end
            stamp = fresh
        elif piece is not None and (is_logged or (piece.stamp >= stamp and piece.stamp > at.applied)):
            stamp, until = piece.stamp, piece.end
        else:
            stamp = fresh = max(clock, last + 1, at.applied + 1)
        last = max(last, stamp)
        added.append(StampRange(first=offset, end=until, stamp=stamp))
        offset = until


def _piece(offset: int, known: KnownStamps) -> tuple[StampRange, bool] | None:
    """Return what is known of an offset and those behind it that have the same stamp, and whether that is logged."""
    at = _first_behind(offset, known.logged)
    logged = known.logged[at] if at < len(known.logged) else None
    if logged is not None and logged.first <= offset:
        return StampRange(first=offset, end=logged.end, stamp=logged.stamp), True
    at = _first_behind(offset, known.own)
    if at == len(known.own) or known.own[at].first > offset:
        return None
    own = known.own[at]
    end = own.end if logged is None else min(own.end, logged.first)
    return StampRange(first=offset, end=end, stamp=own.stamp), False


def _first_behind(offset: int, ranges: Sequence[StampRange]) -> int:
    """Return the place of the first range that ends behind an offset."""
    return bisect_right(ranges, offset, key=attrgetter("end"))


def relevant(known: KnownStamps, first: int) -> KnownStamps:
    """Return what is known of the offsets from `first` on.

    >>> ranges = [StampRange(first=0, end=3, stamp=1), StampRange(first=3, end=5, stamp=2)]
    >>> relevant(KnownStamps(own=ranges), 3).own
    [StampRange(first=3, end=5, stamp=2)]
    """
    logged, own = _first_behind(first, known.logged), _first_behind(first, known.own)
    return KnownStamps(logged=known.logged[logged:], own=known.own[own:])


def covers(ranges: Sequence[StampRange], first: int, end: int) -> bool:
    """Return whether ranges in their order have all offsets from `first` to before `end`.

    >>> covers([StampRange(first=0, end=3, stamp=1), StampRange(first=3, end=5, stamp=2)], 1, 5)
    True
    """
    for each in ranges:
        if each.first <= first < each.end:
            first = each.end
    return first >= end


def clipped(ranges: Sequence[StampRange], first: int, end: int) -> Iterator[StampRange]:
    """Yield the parts of ranges that lie between two offsets.

    >>> list(clipped([StampRange(first=0, end=9, stamp=1)], 2, 4))
    [StampRange(first=2, end=4, stamp=1)]
    """
    for each in ranges:
        begin, stop = max(each.first, first), min(each.end, end)
        if begin < stop:
            yield StampRange(first=begin, end=stop, stamp=each.stamp)
