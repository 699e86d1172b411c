"""Registered view versions with their tables, ready to be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from featurectl.core.errors import DataError
from featurectl.language.definitions.json_form import load_model, load_view
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.registered import typed_view
from featurectl.offline.base import Coverage, OfflineStore, OfflineTable
from featurectl.offline.inputs import has_other_definition, lacking_inputs
from featurectl.offline.stream_coverage import asof_of
from featurectl.operations.training.bound_view import BoundView
from featurectl.registry.applied import not_applied, registered_view
from featurectl.registry.skew import check_skew
from featurectl.registry.state import ModelVersion, ObjectVersion, State


def registered_model(state: State, name: str) -> Model:
    """Return the definition of a model as applied.

    Raises:
        UsageError: no such model is applied.
    """
    found = state.current("model", name)
    if found is not None:
        return load_model(found.definition)
    raise not_applied(state, "model", name)


def view_table(offline: OfflineStore, view: FeatureView, version: int) -> OfflineTable:
    """Return the handle of a view version's offline table."""
    return offline.table(view.name, version, view.key_types, view.entity.name if view.entity else "")


def bind_view(offline: OfflineStore, registered: ObjectVersion, table: OfflineTable | None = None) -> BoundView:
    """Return a view version with its table at the table's newest version; `table` is a handle that is open already.

    The table may lack inputs of features that were added since it was written; asking for one of these fails then.

    Raises:
        DataError: FC510, the view was never materialized, or its table was made by another definition.
    """
    view = load_view(registered.definition)
    table = table or view_table(offline, view, registered.version)
    newest, coverage = table.newest()
    if newest is None or coverage is None:
        raise DataError(
            f"feature view {view.name}@{registered.version} has no offline table",
            code="FC510",
            hint=f"featurectl materialize {view.name}",
        )
    return replace(_bound(view, registered.version, table, newest, coverage), applied_at=registered.applied_at)


def bind_at(bound: BoundView, registered: ObjectVersion, number: int, coverage: Coverage) -> BoundView:
    """Return a view version with its table at another version of that, which had read `coverage`.

    Raises:
        DataError: FC510, that was made by another definition.
    """
    view = load_view(registered.definition)
    return replace(_bound(view, registered.version, bound.stored, number, coverage), pinned=True)


def _bound(view: FeatureView, version: int, table: OfflineTable, number: int, coverage: Coverage) -> BoundView:
    if has_other_definition(coverage, view):
        raise DataError(
            f"the offline table of feature view {view.name}@{version} was made by another definition",
            code="FC510",
            hint=f"featurectl materialize {view.name} makes it anew",
        )
    typed = typed_view(view, coverage.columns)
    return BoundView(
        view=typed,
        columns={} if typed is view else coverage.columns,
        version=version,
        stored=table,
        table_version=number,
        lacking=lacking_inputs(coverage, view),
        computed_at=asof_of(coverage) or coverage.now,
        asof=asof_of(coverage),
    )


def bind_newest(state: State, offline: OfflineStore, names: Iterable[str]) -> dict[str, BoundView]:
    """Return the newest version of each view, by view name."""
    return {name: bind_view(offline, registered_view(state, name)) for name in dict.fromkeys(names)}


def bind_model_version(
    state: State, offline: OfflineStore, trained: ModelVersion, now: datetime
) -> dict[str, BoundView]:
    """Return the view versions that a model version was trained on, as their tables were known at now.

    Raises:
        UsageError: one of them is registered no more.
        DataError: FC525, they are not what it was trained on; FC510, one has no offline table.
    """
    views = {
        name: replace(bind_view(offline, registered_view(state, name, version)), known_at=now)
        for name, version in trained.view_versions.items()
    }
    check_skew(trained, load_model(trained.definition), {name: bound.view for name, bound in views.items()})
    return views
