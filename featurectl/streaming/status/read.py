"""Look at streams from outside: their topics, registers and logs, each in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.units import format_age, format_iso, from_us, instant_us
from featurectl.core.variables import shown_location
from featurectl.engines.clocks import select_columns, typed_tree
from featurectl.expressions.polars import to_polars
from featurectl.identity.facts.sources import expression_reads
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.stream_places import topic_address
from featurectl.offline.event_log import OFFSET, REJECTED, STAMP, LogState, OpenedLog
from featurectl.online.future_pushes import is_ahead
from featurectl.online.stream_state.base import RegisterState, StreamSource
from featurectl.streaming.log_writer import LogLostError, check_not_lost
from featurectl.streaming.retirement import parse_name, state_name
from featurectl.streaming.session.applied_streams import AppliedStream, chosen_streams, reader_group
from featurectl.streaming.status.facts import (
    LOG,
    STORE,
    TOPIC,
    PartitionProgress,
    RecentEvents,
    StreamStatus,
    ViewPlace,
    verdict_of,
)
from featurectl.streaming.status.in_time import ask_in_time
from featurectl.streaming.status.topic_problem import lost_messages, topic_problem
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import GroupReader, TopicState, Watermarks
from featurectl.streaming.topics.faults import RetentionError
from featurectl.workspace.workspace import Workspace

LIMIT_S: Final = 5.0
_RECENT: Final = timedelta(seconds=60)
_LATE: Final = timedelta(minutes=1)
_Progress = tuple[RegisterState, LogState]


@dataclass(frozen=True, slots=True, kw_only=True)
class _TopicSeen:
    """What a broker says of a topic; `unread` counts from where the register says that all is in the lists."""

    state: TopicState
    marks: Mapping[int, Watermarks]
    unread: Mapping[int, int]
    readers: Mapping[str, GroupReader] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogSeen:
    state: LogState
    rejected: int
    recent: RecentEvents | None


def read_stream_status(workspace: Workspace, names: Sequence[str], limit_s: float = LIMIT_S) -> list[StreamStatus]:
    """Return how streams are, of all that are applied without names.

    Stores and logs of all streams answer within so many seconds, and their topics after that.

    Raises:
        UsageError: there is no stream of a name, or nothing says where its topic is.
        StoreError: the registry can't be read.
    """
    streams = chosen_streams(workspace.applied_state(), names)
    looks = [_StreamLook(workspace, stream, limit_s) for stream in streams.values()]
    registers, no_registers = ask_in_time({look.name: look.read_register for look in looks}, limit_s)
    logs, no_logs = ask_in_time({look.name: look.read_log for look in looks}, limit_s)
    topics, no_topics = ask_in_time({of.name: partial(of.read_topic, registers.get(of.name)) for of in looks}, limit_s)
    early = {name: (register, logs[name].state) for name, register in registers.items() if name in logs}
    lost = _lost_messages(looks, topics, early, limit_s)
    found = []
    for look in looks:
        parts = ((TOPIC, no_topics), (STORE, no_registers), (LOG, no_logs))
        failures = {part: failed[look.name] for part, failed in parts if look.name in failed}
        clock = None if workspace.clock is None else datetime.now(UTC)
        if (problem := clock_problem(registers.get(look.name), clock)) is not None:
            failures[STORE] = problem
        parts_seen = registers.get(look.name), topics.get(look.name), logs.get(look.name)
        if problem := _topic_problem(look.name, *parts_seen) or lost.get(look.name):
            failures[TOPIC] = problem
        if problem := look.log_problem(registers.get(look.name), logs.get(look.name)):
            failures[LOG] = problem
        status = look.status(*parts_seen)
        status = replace(status, failures=failures)
        found.append(replace(status, verdict=verdict_of(status)))
    return found


class _StreamLook:
    """What to ask about one stream."""

    def __init__(self, workspace: Workspace, stream: AppliedStream, limit_s: float) -> None:
        self._workspace, self._stream, self._limit_s = workspace, stream, limit_s
        self._source = stream.source
        self.name = stream.source.name
        assert self._source.stream is not None
        self._topic = self._source.stream.topic
        self._url = workspace.topic_url(self._source)
        self._shown = shown_location(topic_address(self._source, workspace.environment))
        self._place = StreamSource(project=workspace.project, env=workspace.environment.name, source=self.name)
        self._state = workspace.stream_state()  # what is not set is an error of this
        self._log, self._rejected = workspace.event_log(self._source), workspace.rejected_log(self._source)

    def status(self, register: RegisterState | None, topic: _TopicSeen | None, log: _LogSeen | None) -> StreamStatus:
        """Return how it is by what has answered."""
        limits = [*self._limits()]
        return StreamStatus(
            source=self.name,
            topic=f"{self._topic} ({self._shown})",
            partitions=[*_partitions(register, topic)],
            asof=from_us(register.asof) if register and register.asof else None,
            clock=from_us(register.clock_us) if register and register.clock_us else None,
            warn_after_us=min((of.warn_after_us for of in limits if of.warn_after_us is not None), default=None),
            error_after_us=min((of.error_after_us for of in limits if of.error_after_us is not None), default=None),
            views={} if register is None else {name: _place(register, name) for name in self._stream.views},
            readers=_partitions_of(topic.readers) if topic else None,
            seen_s=_signs_of(topic.readers) if topic else {},
            logged=from_us(log.state.asof_us) if log and log.state.asof_us else None,
            gaps=[(from_us(after), from_us(until)) for after, until in log.state.gaps] if log else [],
            rejected=log.rejected if log else None,
            recent=log.recent if log else None,
        )

    def _limits(self) -> Iterator[Freshness]:
        """Give what was promised of the source, its views and their features."""
        for of in (self._source.freshness, *(view.freshness for view in self._stream.views.values())):
            if of is not None:
                yield of
        for view in self._stream.views.values():
            yield from filter(None, view.own_freshness.values())

    def log_problem(self, register: RegisterState | None, log: _LogSeen | None) -> str | None:
        """Return what a log lacks that was logged, so that workers end, and what to do; None: nothing that is known."""
        if register is None or log is None:
            return None
        try:
            check_not_lost(self._log.shown, (of for of in register.partitions if not of.is_retired), log.state)
        except LogLostError as error:
            return _with_hint(error, self.name)
        return None

    def read_register(self) -> RegisterState:
        """Return the register of the stream."""
        with closing(self._state) as state:
            return state.read_register(self._place)

    def read_progress(self) -> _Progress:
        """Return how far the register and the log are, by connections of their own."""
        with closing(self._workspace.stream_state()) as state:
            register = state.read_register(self._place)
        return register, self._log.open().state

    def read_topic(self, register: RegisterState | None) -> _TopicSeen:
        """Return what the broker says."""
        with closing(open_topics(self._url, self._shown, self._limit_s)) as broker:
            state, marks = broker.state(self._topic), broker.watermarks(self._topic)
            done = {} if register is None else {of.name: of.done for of in register.partitions}
            positions = {number: done.get(state_name(state, number), mark.begin) for number, mark in marks.items()}
            return _TopicSeen(
                state=state,
                marks=marks,
                unread={} if register is None else broker.unread(self._topic, positions),
                readers=broker.readers(self._topic, reader_group(self._place)),
            )

    def read_log(self) -> _LogSeen:
        """Return what the log and the table of rejected events say."""
        opened = self._log.open()
        asof_us = opened.state.asof_us
        return _LogSeen(
            state=opened.state,
            rejected=self._rejected.rows(self._rejected.open()),
            recent=None if asof_us is None else self._recent(opened, from_us(asof_us)),
        )

    def _recent(self, opened: OpenedLog, asof: datetime) -> RecentEvents:
        """Count the events of the last minute of a log."""
        columns, time = self._source.columns or {}, self._source.event_time
        names = [name for name in self._source.dedup_key if name in columns]
        is_timed = time is not None and columns.get(time) == "timestamp"
        keyed = _key_columns(self._source, self._stream.views.values())
        wanted = dict.fromkeys([OFFSET, STAMP, REJECTED, *names, *keyed, *([time] if is_timed and time else [])])
        after = asof - _RECENT
        rows = self._log.scan_rows(opened, [*wanted], known_after=after)
        found = rows.filter(pl.col(STAMP) > after, pl.col(REJECTED).is_null()).collect()
        is_named = bool(names) and names == [*self._source.dedup_key]
        return RecentEvents(
            seconds=_RECENT.total_seconds(),
            events=found.height,
            late=found.filter(pl.col(STAMP) - pl.col(time) > _LATE).height if is_timed and time else None,
            repeats=_count_repeats(found, names) if is_named else None,
            null_keys=_count_null_keys(select_columns(found, self._source), self._stream.views) if keyed else {},
        )


def _topic_problem(
    source: str, register: RegisterState | None, topic: _TopicSeen | None, log: _LogSeen | None
) -> str | None:
    """Return why workers on a source do not go on with its topic, and what to do; None: they do."""
    if topic is None:
        return None
    error = topic_problem(topic.state, topic.marks, register, None if log is None else log.state)
    return None if error is None else _with_hint(error, source)


def _lost_messages(
    looks: Sequence[_StreamLook], topics: Mapping[str, _TopicSeen], early: Mapping[str, _Progress], limit_s: float
) -> Mapping[str, str]:
    """Return by source that messages left its topic before they were read, and what to do.

    Where it seems so by what was read `early`, before the topic, it is read once more: the topic lets go what was read.
    """
    seeming = [of for of in looks if of.name in topics and _lost(topics[of.name], early.get(of.name)) is not None]
    later, _ = ask_in_time({of.name: of.read_progress for of in seeming}, limit_s)
    found = {name: _lost(topics[name], progress) for name, progress in later.items()}
    return {name: _with_hint(error, name) for name, error in found.items() if error is not None}


def _lost(topic: _TopicSeen, progress: _Progress | None) -> RetentionError | None:
    if progress is None:
        return None
    marks = topic.marks
    readers = marks if topic.readers is None else {number for of in topic.readers.values() for number in of.partitions}
    return lost_messages(topic.state, marks, *progress, readers)


def _with_hint(error: StoreError, source: str) -> str:
    return f"{error.message}; {error.hint.replace('SOURCE', source)}"


def clock_problem(register: RegisterState | None, now: datetime | None) -> str | None:
    """Return what is wrong with the clock of a store: now, by the clock of this machine if there is one, or before.

    Windows end at instants that lie ahead, and have no events there.
    """
    if register is None:
        return None
    clock = format_iso(from_us(register.clock_us))
    if not is_ahead(register.asof, register.clock_us):
        apart_us = 0 if now is None else register.clock_us - instant_us(now)
        if now is None or not is_ahead(abs(apart_us), 0):
            return None
        side = "after" if apart_us > 0 else "before"
        return (
            f"its clock says {clock}, {format_age(abs(apart_us))} {side} this one, which says {format_iso(now)}: "
            "stamps and answers are by it; set the one that is wrong"
        )
    asof = format_iso(from_us(register.asof))
    return (
        f"answers are as of {asof}, and its clock says {clock}: it was ahead once, and windows end there until it gets "
        "there; mend the clock, and read the topic by a source of another name if that is too late"
    )


def _partitions(register: RegisterState | None, topic: _TopicSeen | None) -> Iterator[PartitionProgress]:
    """Give how far each partition is, by what is known of either side."""
    if topic is None:
        for of in register.partitions if register else ():
            if not of.is_retired:
                number = parse_name(of.name).partition
                yield PartitionProgress(partition=number, done=of.done, applied=_instant(of.applied))
        return
    known = {} if register is None else {of.name: of for of in register.partitions}
    readers = {number: name for name, of in (topic.readers or {}).items() for number in of.partitions}
    for number, mark in sorted(topic.marks.items()):
        in_store = known.get(state_name(topic.state, number))
        yield PartitionProgress(
            partition=number,
            begin=mark.begin,
            end=mark.end,
            done=None if in_store is None else in_store.done,
            unread=topic.unread.get(number),
            applied=None if in_store is None else _instant(in_store.applied),
            reader=readers.get(number, ""),
        )


def _instant(applied_us: int) -> datetime | None:
    """Return the instant of a partition; None for 0, of one that nobody has worked on since it was begun."""
    return from_us(applied_us) if applied_us else None


def _partitions_of(readers: Mapping[str, GroupReader] | None) -> Mapping[str, Sequence[int]] | None:
    return None if readers is None else {name: of.partitions for name, of in readers.items()}


def _signs_of(readers: Mapping[str, GroupReader] | None) -> Mapping[str, float]:
    return {name: of.seen_s for name, of in (readers or {}).items() if of.seen_s is not None}


def _count_repeats(events: pl.DataFrame, names: Sequence[str]) -> int:
    return events.height - events.select(names).n_unique() if events.height else 0


def _key_columns(source: Source, views: Iterable[FeatureView]) -> Sequence[str]:
    """Return the columns of a source that say which events its views leave out for a null key."""
    keyed = [view for view in views if view.key_columns]
    read = {name for view in keyed for name in (*view.key_columns, *expression_reads(view.where))}
    selects = {item.name: expression_reads(item.expression) for item in source.select}
    if keyed:  # all of `select` is computed
        read |= {name for reads in selects.values() for name in reads}
    return sorted(read & set(source.columns or {}))


def _count_null_keys(events: pl.DataFrame, views: Mapping[str, FeatureView]) -> Mapping[str, int]:
    counts = {}
    for name, view in views.items():
        if view.key_columns:
            taken = events if view.where is None else events.filter(to_polars(typed_tree(view.where)))
            is_null = pl.any_horizontal(pl.col(column).is_null() for column in view.key_columns)
            counts[name] = taken.filter(is_null).height
    return {name: count for name, count in counts.items() if count}


def _place(register: RegisterState, view: str) -> ViewPlace:
    of = register.views.get(view)
    if of is None or not of.named:
        return "not online"
    if of.live is None:
        return "being made"
    return "being made anew" if len(of.named) > 1 else "online"
