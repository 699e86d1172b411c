"""What is known around a view version: its other versions, the history of its table, when it was pushed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import from_us
from featurectl.monitor.verify.alternatives import TablePast
from featurectl.online.base import PushRecord
from featurectl.online.row_places import online_view
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.state import State
from featurectl.workspace.workspace import Workspace


def surroundings(workspace: Workspace, state: State, bound: BoundView, record: PushRecord | None) -> TablePast:
    """Return what is known around a view version; a run that materializes may push as of its own instant, too.

    Raises:
        StoreError: the log of a stream can't be read.
    """
    history = bound.stored.history()
    runs = [coverage.now for number, coverage in history if number <= bound.table_version]
    pushed = [*runs, None if record is None else record.computed_at]
    others = [
        other
        for item in state.objects
        if item.kind == "feature_view" and item.name == bound.view.name and item.version != bound.version
        for other in _bound(workspace, state, item.version, item.name)
    ]
    rebuild_id = record.rebuild_id if record else ""
    pushes, gaps = in_order(pushed), _gaps(workspace, bound)
    return TablePast(others=others, history=history, pushes=pushes, pushed_of=rebuild_id, gaps=gaps)


def read_record(workspace: Workspace, bound: BoundView) -> PushRecord | None:
    """Return the record of the last push of a view version; None where there is none, or no store answers."""
    where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
    try:
        return workspace.online().read_push_record(where)
    except FeaturectlError:
        return None


def in_order(instants: Iterable[datetime | None]) -> tuple[datetime, ...]:
    """Return instants in order, each once."""
    return tuple(sorted({instant for instant in instants if instant is not None}))


def _gaps(workspace: Workspace, bound: BoundView) -> Sequence[tuple[datetime, datetime]]:
    if not bound.view.source.is_stream:
        return ()
    found = workspace.event_log(bound.view.source).open().state.gaps
    return [(from_us(after), from_us(until)) for after, until in found]


def _bound(workspace: Workspace, state: State, version: int, name: str) -> list[BoundView]:
    """Return another version of a view; nothing where it has no table."""
    registered = state.view(name, version)
    try:
        return [] if registered is None else [bind_view(workspace.offline(), registered)]
    except FeaturectlError:
        return []
