"""How far streams are, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from featurectl.core.units import MINUTE_US, SECOND_US, counted, format_age, format_iso
from featurectl.language.definitions.about import Freshness
from featurectl.render.catalog import sla
from featurectl.render.table import NarrowForm, render_table
from featurectl.render.visible import in_one_line
from featurectl.streaming.status.facts import PartitionProgress, RecentEvents, StreamStatus
from featurectl.streaming.topics.base import LEASE_S

_HEAD: Final = ("partition", "offsets", "online to", "unread", "online as of", "worker")
_NARROW: Final = NarrowForm(left_out=("offsets", "online as of"), last="cut")
_SHOWN_GAPS: Final = 3


def render_stream_status(found: Sequence[StreamStatus]) -> str:
    """Return how each stream is: a line with its verdict, its partitions, and what there is to know beside."""
    return "\n\n".join("\n".join(_lines(status)) for status in found)


def _lines(status: StreamStatus) -> Iterator[str]:
    yield f"{status.source}: {status.verdict}, {_online(status)}"
    yield f"topic {status.topic}"
    if status.partitions:
        yield ""
        yield from render_table(_HEAD, [_cells(of, status) for of in status.partitions], narrow=_NARROW)
        yield ""
    if status.unread is not None:
        yield f"unread   {counted(status.unread, 'event')}"
    if status.views:
        yield "views    " + ", ".join(f"{name} {place}" for name, place in status.views.items())
    if anew := [name for name, place in status.views.items() if place == "being made anew"]:
        yield f"lists    of {', '.join(anew)} are being made; those of a killed rebuild go in minutes, or by:"
        yield f"         featurectl stream rebuild {' '.join(anew)}"
    if status.readers is not None:
        yield "workers  " + (_workers(status) or f"none: featurectl stream run {status.source}")
    if status.logged is not None:
        yield f"log      up to {format_iso(status.logged)}{_behind(status)}{_recent(status)}"
    if status.rejected is not None:
        yield f"rejected {counted(status.rejected, 'event')}"
    if status.gaps:
        shown = [f"{format_iso(after)} to {format_iso(until)}" for after, until in status.gaps[-_SHOWN_GAPS:]]
        yield f"gaps     {len(status.gaps):,}, in which stamps were lost: {'; '.join(shown)}"
    for part, why in status.failures.items():
        yield f"error    {part}: {in_one_line(why)}"


def _online(status: StreamStatus) -> str:
    """Return what is online, how old it is, and what was promised."""
    if status.asof is None:
        if "online store" in status.failures:
            return "nothing is known of what is online"
        return "not online yet: a worker is preparing it" if status.is_worked_on else "not online: no worker has run"
    age_us = status.age_us
    ago = "" if age_us is None else f", {_length(age_us)} ago"
    promised = sla(Freshness(warn_after_us=status.warn_after_us, error_after_us=status.error_after_us))
    has_promise = status.warn_after_us is not None or status.error_after_us is not None
    promise = f" (SLA {promised})" if has_promise else ""
    lacking = [name for name, place in status.views.items() if place in ("being made", "not online")]
    maker = "a worker is preparing it" if status.is_worked_on else "no worker is running"
    not_yet = f"{', '.join(lacking)} can't be read yet, {maker}; " if lacking else ""
    return f"{not_yet}online as of {format_iso(status.asof)}{ago}{promise}"


def _workers(status: StreamStatus) -> str:
    readers = {name: of for name, of in (status.readers or {}).items() if of}
    found = []
    for name, of in sorted(readers.items()):
        seen_s = status.seen_s.get(name, 0.0)
        silent = f", silent for {seen_s:.0f} s" if seen_s > LEASE_S else ""
        found.append(f"{name} ({counted(len(of), 'partition')}{silent})")
    return ", ".join(found)


def _behind(status: StreamStatus) -> str:
    behind_us = status.log_behind_us
    return f", {format_age(behind_us)} behind what is online: /ready of its workers says why" if behind_us else ""


def _recent(status: StreamStatus) -> str:
    recent = status.recent
    if recent is None:
        return ""
    parts = [f"{counted(recent.events, 'event')} in its last minute"]
    if recent.events:
        parts.append(f"{recent.events / recent.seconds:,.1f} a second")
    parts += [f"{recent.late:,} late (known more than a minute after they happened)"] if recent.late else []
    parts += [f"{recent.repeats:,} repeated"] if recent.repeats else []
    parts += [f"{count:,} left out of {view}: a null key" for view, count in recent.null_keys.items()]
    return ", " + ", ".join(parts)


def _cells(of: PartitionProgress, status: StreamStatus) -> list[str]:
    offsets = "-" if of.begin is None or of.end is None else f"{of.begin:,} to {of.end:,}"
    applied = "-"
    if of.applied is not None and status.clock is not None:
        applied = f"{_length(_microseconds(of.applied, status.clock))} ago"
    numbers = ["-" if number is None else f"{number:,}" for number in (of.done, of.unread)]
    return [str(of.partition), offsets, *numbers, applied, of.reader or "-"]


def _microseconds(begin: datetime, end: datetime) -> int:
    length = end - begin
    return max(0, (length.days * 86_400 + length.seconds) * SECOND_US + length.microseconds)


def _length(length_us: int) -> str:
    """Return a length of time, below a second in milliseconds.

    >>> _length(12_345), _length(3_400_000), _length(90 * 60_000_000)
    ('12 ms', '3.4 s', '1 h 30 min')
    """
    if length_us < SECOND_US:
        return f"{length_us // 1_000} ms"
    return f"{length_us / SECOND_US:.1f} s" if length_us < MINUTE_US else format_age(length_us)


def stream_status_json(status: StreamStatus) -> dict[str, object]:
    """Return how a stream is, ready for JSON."""
    recent, age_us = status.recent, status.age_us
    return {
        "source": status.source,
        "topic": status.topic,
        "verdict": status.verdict,
        "as_of": _iso(status.asof),
        "age_seconds": None if age_us is None else age_us / SECOND_US,
        "warn_after_seconds": None if status.warn_after_us is None else status.warn_after_us / SECOND_US,
        "error_after_seconds": None if status.error_after_us is None else status.error_after_us / SECOND_US,
        "unread": status.unread,
        "partitions": [
            {
                "partition": of.partition,
                "begin": of.begin,
                "end": of.end,
                "online_to": of.done,
                "unread": of.unread,
                "as_of": _iso(of.applied),
                "worker": of.reader or None,
            }
            for of in status.partitions
        ],
        "views": dict(status.views),
        "workers": None if status.readers is None else {name: [*of] for name, of in status.readers.items()},
        "workers_seen_seconds": dict(status.seen_s),
        "logged_to": _iso(status.logged),
        "log_behind_seconds": status.log_behind_us / SECOND_US,
        "rejected": status.rejected,
        "last_minute": None if recent is None else _recent_json(recent),
        "gaps": [{"after": format_iso(after), "until": format_iso(until)} for after, until in status.gaps],
        "failures": dict(status.failures),
    }


def _recent_json(recent: RecentEvents) -> dict[str, object]:
    return {
        "events": recent.events,
        "per_second": recent.events / recent.seconds,
        "late": recent.late,
        "repeats": recent.repeats,
        "null_keys": dict(recent.null_keys),
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else format_iso(instant)
