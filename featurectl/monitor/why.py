"""Why the values of a view are as old as they are: the chain from its sources to what is served, and what broke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import counted, format_age, format_instant, plural
from featurectl.language.definitions.source import Source
from featurectl.language.resolve.transformed import transform_sources
from featurectl.monitor.checks import CheckHistory
from featurectl.monitor.freshness import FreshnessRow, Verdict, age_at, with_worst_sla
from featurectl.monitor.status import NO_ROWS, NOT_MATERIALIZED, NOT_ONLINE, ServedView, freshness_of_views
from featurectl.offline.base import Coverage
from featurectl.offline.runs import STREAM_RUN, RunRecord
from featurectl.online.base import OnlineStore
from featurectl.registry.applied import applied_versions
from featurectl.registry.state import State
from featurectl.streaming.status.facts import TOPIC, StreamStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """A link of the chain: the clocks of what it holds, and when that was computed.

    `error`: nothing of it can be seen, as it can't be looked at, or (`missing`) as there is nothing.
    """

    kind: Literal["source", "table", "online"]
    name: str
    newest_event: datetime | None = None
    newest_available: datetime | None = None
    computed_at: datetime | None = None
    version: int | None = None  # of the offline table, which the store's values were made of, too
    verdict: str = ""
    error: str = ""
    missing: bool = False

    def age_us(self, now: datetime) -> int | None:
        """Return the age of its newest row; None where there is none, or it is of later than now."""
        return None if self.is_ahead(now) else age_at(now, self.newest_available)

    def is_ahead(self, now: datetime) -> bool:
        """Return whether what it holds is of an instant later than now: what was known at now is not kept."""
        return any(clock is not None and clock > now for clock in (self.newest_available, self.computed_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All that there is to know of a view version at `now`, but its values.

    `row` is that of `status`. `read` is what the table has read of each source, by name. `runs` are those of this
    version, the newest last (`unread` says why they can't be read); `checks` those of the view and its sources;
    `models` the trained versions that read it; `meanwhile` the older version that is served where nothing was pushed
    of this one. `stream` is the source whose workers keep it online, "" of a view that is pushed; `workers` tells how
    far they are, where that was looked at.
    """

    now: datetime
    row: FreshnessRow
    sources: tuple[ChainLink, ...]
    table: ChainLink
    online: ChainLink | None
    read: dict[str, datetime]
    runs: tuple[RunRecord, ...] = ()
    checks: tuple[CheckHistory, ...] = ()
    models: tuple[str, ...] = ()
    unread: str = ""
    meanwhile: int | None = None
    stream: str = ""
    workers: StreamStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is on record of runs and of checks, and what is registered; `unread`: why runs can't be read."""

    state: State
    runs: Sequence[RunRecord] = ()
    checks: Sequence[CheckHistory] = ()
    unread: str = ""


def look_at_chain(
    item: ServedView,
    look: Callable[[Source], FreshnessRow],
    store: Callable[[], OnlineStore],
    records: Records,
    now: datetime,
) -> Chain:
    """Return the chain of a view version; what can't be seen of it says why. `look` gives the row of a source."""
    (row,) = freshness_of_views([item], store, now)
    sources = [_source_link(source, look) for source in transform_sources(item.view)]
    coverage, table = _table_link(item)
    named = {f"feature view {item.view.name}", *(f"source {source.name}" for source in sources)}
    return Chain(
        now=now,
        row=with_worst_sla(row, item.view),
        sources=tuple(sources),
        table=table,
        online=_stream_link(item) if item.stream_asof else None if item.online is None else _online_link(item, store),
        read=_read(coverage, sources),
        runs=tuple(run for run in records.runs if (run.view, run.version) == (item.view.name, item.version)),
        checks=tuple(history for history in records.checks if history.of in named),
        models=tuple(_models(records.state, item)),
        unread=records.unread,
        stream=item.view.source.name if item.stream_asof else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCause:
    """What is wrong first, in one sentence, and the source in which it lies; "": in the view's own runs and stores."""

    text: str
    source: str = ""


def cause_of(chain: Chain) -> str:
    """Return in one sentence what is wrong first, as `find_first_cause` finds it; "": nothing is."""
    found = find_first_cause(chain)
    return "" if found is None else found.text


def find_first_cause(chain: Chain) -> FirstCause | None:
    """Return what is wrong first, on the way from the sources to what is served; None: nothing is.

    A source that can't be read, or has no rows; a run that failed, and none has succeeded since; a link that is
    missing, or can't be seen; and where the view's age, or a source's, breaks its SLA: the first link that is behind
    the one before it, else the source that has had nothing new.
    """
    return next((cause for find in _CAUSES if (cause := find(chain)) is not None), None)


def verdict_of(chain: Chain, cause: str) -> Verdict:
    """Return the verdict on a view with all that belongs to it: that of its age, or what is wrong where its age is OK.

    A warning is what a source's SLA or a check warns of; anything else that is wrong is an error.
    """
    if not cause or chain.row.verdict != "OK":
        return chain.row.verdict
    warned = [found.text for find in (_stopped, _unchecked) if (found := find(chain)) is not None]
    return "WARN" if cause in warned and _is_warning(chain) else "ERROR"


def _is_warning(chain: Chain) -> bool:
    failing = [history.severity for history in chain.checks if history.failing]
    return "error" not in failing and all(link.verdict in ("", "OK", "WARN") for link in chain.sources)


def _unreadable(chain: Chain) -> FirstCause | None:
    for link in chain.sources:
        if link.missing:
            text = f"source {link.name} has no row that was known at {format_instant(chain.now)}"
            return FirstCause(text=text, source=link.name)
        if link.error:
            return FirstCause(text=f"source {link.name} can't be read: {link.error}", source=link.name)
    return None


def _failing(chain: Chain) -> FirstCause | None:
    """Tell of what failed the last time it was tried, and since when it has: the table first, then the store.

    What fails as something was computed as of the future is reported with what ends that.
    """
    if chain.row.future:
        return FirstCause(text=f"{chain.row.label}: {chain.row.error}")
    failed = failed_runs(chain.runs)
    if not failed:
        return None
    times = f" ({len(failed)} times)" if len(failed) > 1 else ""
    code = f"{failed[-1].error_code}: " if failed[-1].error_code else ""
    text = f"{failed[-1].command} has failed since {format_instant(failed[0].now)}{times}: {code}{failed[-1].error}"
    return FirstCause(text=text, source=source_of_failure(failed[-1]))


def failed_runs(runs: Sequence[RunRecord]) -> Sequence[RunRecord]:
    """Return of the runs of a view version, in their order, those at the end that have failed; of materialize first.

    Workers on a stream that go on have mended what others before them failed of.
    """
    ended = [run for run in runs if run.state == "ended" or run.command == STREAM_RUN]
    table = [(run, run.done or bool(run.action)) for run in ended if run.command == "materialize"]
    online = [(run, run.done) for run in ended if run.command == "push" or run.action]
    return _last_failed(table) or _last_failed(online)


def _last_failed(runs: Sequence[tuple[RunRecord, bool]]) -> list[RunRecord]:
    """Return the runs at the end that have failed; the second of a pair is whether one was done."""
    last_done = max((number for number, (_, done) in enumerate(runs) if done), default=-1)
    return [run for run, _ in runs[last_done + 1 :]]


def source_of_failure(run: RunRecord) -> str:
    """Return the source whose check has ended a run that failed; "": no such check has."""
    ended_by = (check.source_or_view for check in run.checks if check.severity == "error" and not check.passed)
    of = "" if run.done else next(ended_by, "")
    return of.removeprefix("source ") if of.startswith("source ") else ""


def _missing(chain: Chain) -> FirstCause | None:
    """Tell of a table or a place in the store with nothing in it, and of what can't be seen."""
    text = _missing_part(chain)
    return FirstCause(text=text) if text else None


def _missing_part(chain: Chain) -> str:
    if chain.stream and chain.online is not None and chain.online.missing:
        return f"nothing is online{_meanwhile(chain)}, no worker has run: featurectl stream run {chain.stream}"
    if chain.table.missing and not chain.stream:
        return f"nothing was computed yet{_meanwhile(chain)}: featurectl materialize {chain.row.name}"
    if not chain.table.error and chain.online is not None and chain.online.missing:
        return f"nothing was pushed to the online store yet{_meanwhile(chain)}: featurectl push {chain.row.name}"
    if chain.row.lost:
        return f"the online store has lost rows of {chain.row.label}: {chain.row.note}"
    return f"{chain.row.label}: {chain.row.error}" if chain.row.error else ""


def _meanwhile(chain: Chain) -> str:
    return "" if chain.meanwhile is None else f", @{chain.meanwhile} is served"


def _no_worker(chain: Chain) -> FirstCause | None:
    """Tell of a stream of which nothing has come online for too long: no worker runs, or those that do are behind.

    A topic that does not answer is the cause before that: workers on it get no further.
    """
    if not chain.stream or chain.online is None or chain.online.newest_available is None:
        return None
    if chain.workers is not None and TOPIC in chain.workers.failures:
        return FirstCause(text=f"the topic of {chain.stream} can't be read: {chain.workers.failures[TOPIC]}")
    if not _is_late(chain):
        return None
    if chain.workers is not None and chain.workers.is_worked_on:
        left = "" if chain.workers.unread is None else f": {counted(chain.workers.unread, 'event')} not taken"
        text = f"the workers on the stream {chain.stream} are behind{left}: featurectl stream status {chain.stream}"
        return FirstCause(text=text)
    age = age_at(chain.now, chain.online.newest_available) or 0
    text = (
        f"no worker has brought events of the stream {chain.stream} online for {format_age(age)}: "
        f"featurectl stream run {chain.stream}; featurectl stream status shows how far it is"
    )
    return FirstCause(text=text)


def _table_behind(chain: Chain) -> FirstCause | None:
    for link in chain.sources if _is_late(chain) else ():
        read, newest = chain.read.get(link.name), link.newest_available
        if newest is not None and (read is None or newest > read):
            until = "no rows" if read is None else f"those until {format_instant(read)}"
            text = (
                f"the offline table is behind: source {link.name} has rows that became available until "
                f"{format_instant(newest)}, the table {until}: featurectl materialize {chain.row.name}"
            )
            return FirstCause(text=text)
    return None


def _online_behind(chain: Chain) -> FirstCause | None:
    if chain.online is None or not _is_late(chain):
        return None
    has, serves = chain.table.newest_available, chain.online.newest_available
    if has is None or (serves is not None and min(has, chain.now) <= serves):
        return None
    until = "nothing" if serves is None else f"values of those until {format_instant(serves)}"
    text = (
        f"the online store is behind: the offline table has rows that became available until {format_instant(has)}, "
        f"the store {until}: featurectl push {chain.row.name}"
    )
    return FirstCause(text=text)


def _stopped(chain: Chain) -> FirstCause | None:
    """Tell of the source whose newest row is the oldest, among those with a clock."""
    late = [link for link in chain.sources if link.newest_available is not None]
    late = late if _is_late(chain) else [link for link in late if link.verdict in ("WARN", "STALE")]
    if not late:
        return None
    oldest = min(late, key=lambda link: link.newest_available or chain.now)
    assert oldest.newest_available is not None
    age = age_at(chain.now, oldest.newest_available) or 0
    since = format_instant(oldest.newest_available)
    text = f"source {oldest.name} has had nothing new for {format_age(age)}: its newest row became available {since}"
    return FirstCause(text=text, source=oldest.name)


def _unchecked(chain: Chain) -> FirstCause | None:
    for history in chain.checks:
        if history.failing and history.last is not None:
            result = history.last.result
            of_rows = f"{result.failed:,} of {result.rows:,} {plural(result.rows, 'row')}"
            text = f'check "{history.label}" of {history.of} failed {format_instant(history.last.now)}: {of_rows}'
            return FirstCause(text=text, source=history.source)
    return None


_CAUSES = (_unreadable, _failing, _missing, _no_worker, _table_behind, _online_behind, _stopped, _unchecked)


def _is_late(chain: Chain) -> bool:
    return chain.row.verdict in ("WARN", "STALE")


def _source_link(source: Source, look: Callable[[Source], FreshnessRow]) -> ChainLink:
    row = look(source)
    return ChainLink(
        kind="source",
        name=source.name,
        newest_event=row.last_event,
        newest_available=row.last_available,
        verdict=row.verdict,
        error=row.error,
        missing=row.error == NO_ROWS,
    )


def _table_link(item: ServedView) -> tuple[Coverage | None, ChainLink]:
    label = f"{item.view.name}@{item.version}"
    try:
        coverage = item.table.coverage()
        if coverage is None:
            error = item.lost or NOT_MATERIALIZED
            return None, ChainLink(kind="table", name=label, error=error, missing=not item.lost)
        version = item.table.version()
    except FeaturectlError as error:
        return None, ChainLink(kind="table", name=label, error=error.message)
    link = ChainLink(
        kind="table",
        name=label,
        newest_event=coverage.newest_event,
        newest_available=coverage.watermark,
        computed_at=coverage.now,
        version=version,
    )
    return coverage, link


def _online_link(item: ServedView, store: Callable[[], OnlineStore]) -> ChainLink:
    label = f"{item.view.name}@{item.version}"
    assert item.online is not None
    try:
        record = store().read_push_record(item.online)
    except FeaturectlError as error:
        return ChainLink(kind="online", name=label, error=error.message)
    if record is None:
        return ChainLink(kind="online", name=label, error="not pushed yet", missing=True)
    return ChainLink(
        kind="online",
        name=label,
        newest_event=record.newest_event,
        newest_available=record.watermark,
        computed_at=record.computed_at,
        version=record.table_version,
    )


def _stream_link(item: ServedView) -> ChainLink:
    """Return what is online of a view of a stream: all events up to an instant."""
    label = f"{item.view.name}@{item.version}"
    assert item.stream_asof is not None
    try:
        asof = item.stream_asof()
    except FeaturectlError as error:
        return ChainLink(kind="online", name=label, error=error.message)
    if asof is None:
        return ChainLink(kind="online", name=label, error=NOT_ONLINE, missing=True)
    return ChainLink(
        kind="online", name=label, newest_event=item.stream_event(), newest_available=asof, computed_at=asof
    )


def _read(coverage: Coverage | None, sources: Sequence[ChainLink]) -> dict[str, datetime]:
    """Return up to which availability each source was read."""
    if coverage is None or coverage.watermark is None:
        return {}
    return {link.name: coverage.watermarks.get(link.name, coverage.watermark) for link in sources}


def _models(state: State, item: ServedView) -> list[str]:
    """Return the model versions that read a view version, with their aliases; those that have one first."""
    bound = [m for m in applied_versions(state) if m.view_versions.get(item.view.name) == item.version]
    named = [(m, sorted(alias for (name, alias), n in state.aliases.items() if (name, n) == (m.model, m.version)))
             for m in bound]  # fmt: skip
    ordered = sorted(named, key=lambda pair: (not pair[1], pair[0].model, -pair[0].version))
    return [f"{m.model}@{m.version}" + (f" ({', '.join(names)})" if names else "") for m, names in ordered]
