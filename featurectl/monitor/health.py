"""Look at the sources and views of a workspace: what `status`, `monitor export` and `why` begin with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from featurectl.language.definitions.source import Source
    from featurectl.monitor.checks import CheckHistory
    from featurectl.monitor.freshness import FreshnessRow
    from featurectl.monitor.status import ServedView
    from featurectl.offline.runs import RunRecord
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace


def served_view(workspace: Workspace, item: ObjectVersion) -> ServedView:
    """Return a view version with its table and its place in the online store."""
    from featurectl.core.variables import shown_location
    from featurectl.language.definitions.json_form import load_view
    from featurectl.monitor.status import ServedView
    from featurectl.online.row_places import online_view
    from featurectl.operations.views import view_table
    from featurectl.workspace.clocks import latest_push, latest_run
    from featurectl.workspace.offline_folder import has_offline

    view = load_view(item.definition)
    where = online_view(view, item.version, workspace.project, workspace.environment.name)
    table = view_table(workspace.offline(), view, item.version)
    folder = shown_location(workspace.environment.offline)
    is_kept = view.online and view.source.is_stream
    lost = "" if has_offline(workspace) else f"the offline folder {folder} is not there"
    return ServedView(
        view=view,
        version=item.version,
        table=table,
        online=where if view.is_pushed else None,
        lost=lost,
        clock=workspace.clock,
        latest_run=partial(latest_run, workspace),
        latest_push=lambda: latest_push(workspace)(),  # noqa: PLW0108 - the store is asked when it is called
        stream_asof=partial(_stream_asof, workspace, item, view.source.name) if is_kept else None,
        stream_event=partial(_stream_event, workspace, view.source) if is_kept else lambda: None,
    )


def _stream_asof(workspace: Workspace, item: ObjectVersion, source: str) -> datetime | None:
    """Return up to which instant all events are in a view of a stream.

    Not later than now where that is the clock's, but where it lies further ahead than clocks may differ.
    """
    from featurectl.core.units import from_us, instant_us
    from featurectl.online.future_pushes import is_ahead
    from featurectl.online.stream_state.base import StreamSource

    place = StreamSource(project=workspace.project, env=workspace.environment.name, source=source)
    poll = workspace.stream_reader().read_poll(place)
    if f"{item.name}@{item.version}" not in poll.live or not poll.asof:
        return None
    asof = from_us(poll.asof)
    if workspace.clock is None or is_ahead(poll.asof, instant_us(workspace.now)):
        return asof
    return min(asof, workspace.now)


def _stream_event(workspace: Workspace, source: Source) -> datetime | None:
    """Return when the last event was that a stream's log has; None where it can't be read or does not say it."""
    from featurectl.core.dtypes import TIMESTAMP
    from featurectl.offline.log_times import latest_time

    name, made = source.event_time or "", {item.name for item in source.select}
    if name in made or (source.columns or {}).get(name) != TIMESTAMP:
        return None
    try:
        log = workspace.event_log(source)
        return latest_time(log, log.open(), name)
    except FeaturectlError:
        return None


def look(workspace: Workspace, state: State, *, entities: bool) -> list[FreshnessRow]:
    """Return a row for each view version that is kept up, then for each source that has an SLA.

    Those are the newest of every view, and older ones that a model version reads. With `entities` they are counted.
    """
    from featurectl.engines.all_engines import open_engine
    from featurectl.language.definitions.json_form import load_source
    from featurectl.monitor.freshness import rows_of_features
    from featurectl.monitor.status import freshness_of_source, freshness_of_views
    from featurectl.registry.applied import served_views

    served = [served_view(workspace, item) for item in served_views(state)]
    rows = freshness_of_views(served, workspace.online, workspace.now, entities=entities)
    rows = [_with_served(workspace, state, row) for row in rows]
    rows = [part for row, item in zip(rows, served, strict=True) for part in (row, *rows_of_features(row, item.view))]
    sources = [load_source(o.definition) for o in state.objects if o.kind == "source" and o.current]
    watched = sorted((s for s in sources if s.freshness is not None), key=lambda s: s.name)
    if not watched:
        return rows
    engine = open_engine(workspace.environment)
    return rows + [freshness_of_source(source, workspace.source, engine, workspace.now) for source in watched]


def _with_served(workspace: Workspace, state: State, row: FreshnessRow) -> FreshnessRow:
    """Return the row of a view; of one that was not pushed as the current version, with the one that is served."""
    served = served_meanwhile(workspace, state, row)
    if served is None:
        return row
    if row.error:
        return replace(row, error=f"{row.error}; served: @{served}")
    return replace(
        row, note=f"{row.note}; " * bool(row.note) + f"not pushed since it is current again; served: @{served}"
    )


def served_meanwhile(workspace: Workspace, state: State, row: FreshnessRow) -> int | None:
    """Return the version that a view is read by where its current one was not pushed as that; None: there is none."""
    from featurectl.monitor.status import NOT_MATERIALIZED, NOT_PUSHED
    from featurectl.online.client.pushed_versions import read_pushed, served_version

    newest = state.current("feature_view", row.name)
    if newest is None or newest.version != row.version or row.error not in ("", NOT_MATERIALIZED, NOT_PUSHED):
        return None
    if not any(o.kind == "feature_view" and o.name == row.name and not o.current for o in state.objects):
        return None
    try:
        place = (row.name, newest.version)
        pushed = read_pushed(workspace.online(), workspace.stream_reader, state, workspace.environment.name, [place])
    except FeaturectlError:
        return None
    served = served_version(state, row.name, pushed)
    return None if served is None or served == newest else served.version


def recorded_runs(workspace: Workspace, back: timedelta, *, unended: bool = False) -> Sequence[RunRecord]:
    """Return the records of runs as of so long before now and later, none of later than now.

    With `unended` those, too, that have not recorded their end and are not known to be dead.

    Raises:
        StoreError: they can't be read.
    """
    from featurectl.core.units import moved_by
    from featurectl.offline.runs import read_runs

    environment = workspace.environment.name
    since = moved_by(workspace.now, -back)
    found = read_runs(workspace.offline_location(), workspace.project, environment, since, unended=unended)
    return [run for run in found if run.now <= workspace.now]


def runs_seen(workspace: Workspace, back: timedelta) -> tuple[Sequence[RunRecord], str]:
    """Return the records of runs, of unended ones too; where they can't be read none, and why."""
    try:
        return recorded_runs(workspace, back, unended=True), ""
    except FeaturectlError as error:
        return [], error.message


def check_results(workspace: Workspace, state: State, runs: Sequence[RunRecord]) -> list[CheckHistory]:
    """Return every check with what it came to in some runs: those of older versions, too, that are kept up.

    Of a check that older versions have otherwise, its form in the newest counts.
    """
    from featurectl.language.definitions.json_form import load_view
    from featurectl.monitor.checks import check_histories
    from featurectl.registry.applied import served_views

    newest_first = sorted(served_views(state), key=lambda item: not item.current)
    views = [(load_view(item.definition), item.version) for item in newest_first]
    return check_histories(views, runs, workspace.now)
