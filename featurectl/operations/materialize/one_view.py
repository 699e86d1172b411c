"""Bring the table of one view version up to its sources, with what belongs to that: ranges, expiry, vacuum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import DataError, StoreError
from featurectl.core.progress import Progress
from featurectl.engines.all_engines import open_engine
from featurectl.language.definitions.json_form import load_untyped_view, load_view
from featurectl.language.resolve.transformed import as_state, transform_sources
from featurectl.online.future_pushes import how_far_ahead
from featurectl.operations.materialize.changed_types import naming_changed_types
from featurectl.operations.materialize.clean_erased import clean_erased, named_versions
from featurectl.operations.materialize.older_version import OlderHistory, older_history
from featurectl.operations.materialize.range import Range, backfill_view, check_range, expire_rows
from featurectl.operations.materialize.record_columns import columns_seen, record_columns
from featurectl.operations.materialize.rows import no_rows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.source_types import with_known_types
from featurectl.operations.materialize.streams import materialize_stream
from featurectl.operations.materialize.table_increment import Materialized, materialize_view
from featurectl.operations.materialize.transform import materialize_transform
from featurectl.operations.views import view_table
from featurectl.workspace.clocks import latest_run

if TYPE_CHECKING:
    from featurectl.engines.base import Engine
    from featurectl.language.definitions.source import Source
    from featurectl.offline.base import Coverage, OfflineTable
    from featurectl.registry.base import SeenColumns
    from featurectl.registry.state import ObjectVersion
    from featurectl.workspace.applied_workspace import AppliedWorkspace

_VACUUM_EVERY: Final = 8  # versions
_MANY_FILES: Final = 64  # of a log: five minutes of a worker
_EVER: Final = datetime.min.replace(tzinfo=UTC)  # before anything was known


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewWork:
    """What is done for each view, and where; `known_columns` are those that the registry had when the run began."""

    applied: AppliedWorkspace
    known_columns: SeenColumns
    range: Range | None
    full: bool
    keep_changed: bool
    memory_bytes: int | None
    progress: Progress


def view_run(work: ViewWork, item: ObjectVersion) -> MaterializeRun:
    """Return a view version with its sources, which are opened, and its table.

    Raises:
        StoreError: FC603, a file of the table is gone, and it is not to be made anew.
    """
    view, workspace = load_view(item.definition), work.applied.workspace
    table = view_table(workspace.offline(), view, item.version)
    if not work.full:
        table.check_files()
    return MaterializeRun(
        view=view,
        version=item.version,
        reader=work.applied.open_source(view.source),
        table=table,
        others=tuple(work.applied.open_source(source) for source in transform_sources(view)[1:]),
        spill=workspace.spill_folder(),
        progress=work.progress,
        erasures=work.applied.state.erasures,
    )


def materialize_version(work: ViewWork, item: ObjectVersion, run: MaterializeRun) -> Materialized:
    """Return what was done for a view version, whose sources and table are opened.

    Raises:
        DataError: a source can't be read, FC518 its rows are not as checks say, FC528 the table is of the future.
        StoreError: the table can't be written; it stays as it was.
    """
    as_read, now = run, work.applied.now
    engine = open_engine(work.applied.workspace.environment, work.memory_bytes)
    if work.full and (aside := run.table.set_aside()):
        lost = "versions that manifests and models name can't be read again"
        work.progress.done(f"warning: a log that can't be read lies at {aside} now; {lost}")
    if not work.full:  # a table that is made again is read by nobody before: files of it may be lost
        clean_erased(work.applied, item, run.table, work.progress)
    version, before = run.table.newest()
    if before is not None and not work.full:
        _check_not_future(work, item, before)
    if work.range is not None:
        check_range(run.view.name, before, work.range)
    with naming_changed_types(run, before, work.applied.workspace.source):
        made, run = _materialize(work, engine, with_known_types(run, before, work.applied.open_source))
    if work.full:
        clean_erased(work.applied, item, run.table, work.progress)
    is_lacking = before is not None and _is_lacking(before, made.action, full=work.full)
    if work.range is not None and is_lacking and not (as_read.view.transform or as_read.view.source.is_stream):
        made = backfill_view(engine, run, work.range)
    if made.action == "first":
        made = replace(made, older=_older(work, run, made))
    elif made.action == "rebuild":
        made = replace(made, fewer_rows=_fewer_rows(run.table, before, version))
    if work.keep_changed:
        made = _keep_changed(run, made)
    expired = expire_rows(run, now)
    _vacuum(work, run, rewritten=expired is not None or made.action not in ("nothing", "append"))
    after = run.table.coverage()
    if as_read.view.source.is_stream:
        _compact_logs(work, as_read.view.source)
    seen = columns_seen(as_read, after.columns if after else {})
    record_columns(work.applied.workspace, seen, work.known_columns, work.progress)
    return made if expired is None else replace(made, table_version=expired)


def _materialize(work: ViewWork, engine: Engine, run: MaterializeRun) -> tuple[Materialized, MaterializeRun]:
    """Return what was done for new rows, and the run as ranges and expiry see it: a transform's table is of states."""
    now, since = work.applied.now, work.range.since if work.range else None
    if run.view.source.is_stream:
        return materialize_stream(engine, run, now, full=work.full, asked=work.range), run
    if run.view.transform is None:
        return materialize_view(engine, run, now, full=work.full, since=since), run
    made = materialize_transform(engine, run, now, full=work.full, since=since)
    return made, replace(run, view=as_state(run.view))


def _compact_logs(work: ViewWork, source: Source) -> None:
    """Put the files of a stream's log and of its rejected events together when there are many.

    Each commit of a worker leaves a small one. That it can't be done is a warning: the next run does it.
    """
    workspace = work.applied.workspace
    for log in (workspace.event_log(source), workspace.rejected_log(source)):
        try:
            opened = log.open()
            if log.small_files(opened) >= _MANY_FILES:
                log.compact(opened)
        except StoreError as error:
            work.progress.done(f"warning: {log.shown} of source {source.name} is not compacted: {error.message}")


def _older(work: ViewWork, run: MaterializeRun, made: Materialized) -> OlderHistory | None:
    """Return what the table of an older version has and the one that was made lacks.

    Where rows were known by another clock, as before `available_at` was declared, event times alone are compared.
    """
    state, offline, view = work.applied.state, work.applied.workspace.offline(), run.view
    for version in range(run.version - 1, 0, -1):
        item = state.view(view.name, version)
        if item is None or not _can_be_read(view_table(offline, view, version)):
            continue
        older = load_untyped_view(item.definition).source
        if (older.name, older.event_time) != (view.source.name, view.source.event_time):
            continue
        known_alike = (older.available_at, older.delay_us) == (view.source.available_at, view.source.delay_us)
        begins = made.begins if known_alike or made.begins is None else (made.begins[0], _EVER)
        return older_history(run, begins, version, view_table(offline, view, version))
    return None


def _can_be_read(table: OfflineTable) -> bool:
    """Return whether there is a table that has all of its files."""
    if table.version() is None:
        return False
    try:
        table.check_files()
    except StoreError:
        return False
    return True


def _fewer_rows(table: OfflineTable, before: Coverage | None, version: int | None) -> int:
    """Return how many rows fewer a table has than in a version before it was made anew, by what its log says.

    One that begins at another time than before is not compared: it lacks what is older.
    """
    after = table.coverage()
    if before is None or version is None or after is None or after.since != before.since:
        return 0
    return max(table.statistics(version).rows - table.statistics().rows, 0)


def _keep_changed(run: MaterializeRun, made: Materialized) -> Materialized:
    """Return what was done, after it was noted that the table keeps rows that changed in their files or went."""
    coverage = run.table.coverage()
    if coverage is None or not coverage.changed_parts:
        return made
    kept = replace(coverage, changed_parts=(), changed_events=None)
    number = run.table.append(no_rows(run.table, run.view.keys), kept)
    return replace(made, changed_parts=(), changed_since=None, table_version=number)


def _check_not_future(work: ViewWork, item: ObjectVersion, coverage: Coverage) -> None:
    """Check that a table was computed as of no later than now, or as of a time that has been.

    Raises:
        DataError: FC528, it was computed as of an instant that has not come.
    """
    if coverage.now is None or coverage.now <= work.applied.now:
        return
    far = how_far_ahead(coverage.now, latest_run(work.applied.workspace), "the registry's clock")
    if far:
        raise DataError(
            f"the table of {item.name}@{item.version} was computed as of {far}: no new rows are taken before",
            code="FC528",
            hint=f"featurectl materialize --full {item.name} makes it anew, as of now",
        )


def _is_lacking(before: Coverage, action: str, *, full: bool) -> bool:
    """Return whether a range is still to be computed after a run: a rebuild begins where the table began."""
    return action not in ("rebuild", "first") or (before.since is not None and not full)


def _vacuum(work: ViewWork, run: MaterializeRun, *, rewritten: bool) -> None:
    """Remove files that nothing needs any more: after a rewrite, else now and then, for compactions leave some too."""
    version = run.table.version() or 0  # the first one has replaced no file
    if not rewritten and (version % _VACUUM_EVERY or not version):
        return
    run.table.vacuum(named_versions(work.applied, f"{run.view.name}@{run.version}"))
