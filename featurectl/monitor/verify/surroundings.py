"""What is known around a view version: its other versions, the history of its table, when it was pushed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from featurectl.core.errors import FeaturectlError
from featurectl.monitor.prediction_log import Keeping
from featurectl.monitor.verify.alternatives import Known
from featurectl.offline.base import OfflineStore
from featurectl.online.base import Bound, OnlineStore, PushRecord
from featurectl.online.view_rows import online_view
from featurectl.operations.training.bind import bind_view
from featurectl.operations.training.join import BoundView
from featurectl.registry.state import State


class ComparedStores(Keeping, Protocol):
    """What a comparison looks at: a workspace has it, its log, tables and online store."""

    @property
    def clock(self) -> datetime | None:
        """The real time, where that is what now means."""

    def latest_push(self) -> Bound:
        """Return what gives the latest instant as of which something can rightly have been pushed."""

    def state(self) -> State:
        """Return the project as the registry knows it now."""

    def offline(self) -> OfflineStore:
        """Return the environment's offline store."""

    def online(self) -> OnlineStore:
        """Return the environment's online store."""


def surroundings(stores: ComparedStores, state: State, bound: BoundView, record: PushRecord | None) -> Known:
    """Return what is known around a view version; a run that materializes may push as of its own instant, too."""
    history = bound.stored.history()
    runs = [coverage.now for number, coverage in history if number <= bound.table_version]
    pushed = [*runs, None if record is None else record.computed_at]
    others = [
        other
        for item in state.objects
        if item.kind == "feature_view" and item.name == bound.view.name and item.version != bound.version
        for other in _bound(stores, state, item.version, item.name)
    ]
    rebuild_id = record.rebuild_id if record else ""
    return Known(others=others, history=history, pushes=in_order(pushed), pushed_of=rebuild_id)


def read_record(stores: ComparedStores, bound: BoundView) -> PushRecord | None:
    """Return the record of the last push of a view version; None where there is none, or no store answers."""
    where = online_view(bound.view, bound.version, stores.project, stores.environment.name)
    try:
        return stores.online().read_push_record(where)
    except FeaturectlError:
        return None


def in_order(instants: Iterable[datetime | None]) -> tuple[datetime, ...]:
    """Return instants in order, each once."""
    return tuple(sorted({instant for instant in instants if instant is not None}))


def _bound(stores: ComparedStores, state: State, version: int, name: str) -> list[BoundView]:
    """Return another version of a view; nothing where it has no table."""
    registered = state.view(name, version)
    try:
        return [] if registered is None else [bind_view(stores.offline(), registered)]
    except FeaturectlError:
        return []
