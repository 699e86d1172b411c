"""Applied views: chosen by their names, and bound to the tables that hold their rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import polars as pl

from featurectl.core.errors import DataError, StoreError, TryAgainError, UsageError
from featurectl.core.units import plural
from featurectl.engines.base import ViewBuckets
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.json_form import load_model, load_view
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.registered import typed_view
from featurectl.offline.base import Coverage, OfflineStore, OfflineTable
from featurectl.offline.inputs import has_other_definition, lacking_inputs
from featurectl.offline.stream_coverage import asof_of
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME
from featurectl.registry.applied import not_applied, registered_view, served_views
from featurectl.registry.skew import check_skew
from featurectl.registry.state import ModelVersion, ObjectVersion, State


def choose_views(state: State, names: Sequence[str]) -> list[ObjectVersion]:
    """Return the view versions that are kept up to date, of the named views (VIEW, or VIEW@2) or of all.

    Raises:
        UsageError: no view of that name is applied, or a version is not kept up to date.
    """
    every = served_views(state)
    for name in names:
        view, at, _ = name.partition("@")
        versions = [str(item.version) for item in every if item.name == view]
        if not versions:
            raise not_applied(state, "feature_view", name)
        if at and name not in {f"{view}@{version}" for version in versions}:
            hint = f"versions that are: {', '.join(versions)}"
            raise UsageError(f"{name} is no version of {view} that is kept up to date", hint=hint)
    return [item for item in every if not names or item.name in names or f"{item.name}@{item.version}" in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundView:
    """A view version and the version of its table: together they fix every value.

    `known_at`: rows that became available after it are not seen, whatever the spine asks; None sees all. `lacking`:
    inputs of the view that the table does not hold yet; features that need none of them can be asked for. `as_served`:
    values as the online store would have had them. `pinned`: a version that is gone is named as such. `columns`: those
    of the source as the table knows them, where the definition does not say the types of all. `computed_at` is the
    instant as of which the table was written, `applied_at` when the version became current. `asof`: up to when a table
    of a stream has all events; None of others, and of one whose stream has no log.
    """

    view: FeatureView
    version: int
    stored: OfflineTable
    table_version: int
    known_at: datetime | None = None
    lacking: frozenset[str] = frozenset()
    as_served: bool = False
    pinned: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    computed_at: datetime | None = None
    asof: datetime | None = None
    applied_at: datetime | None = None

    @property
    def label(self) -> str:
        """`view@version`."""
        return f"{self.view.name}@{self.version}"

    @property
    def table(self) -> OfflineTable:
        """The table, for readers of the whole view.

        Raises:
            DataError: FC510, it lacks an input of the view.
        """
        self._check(self.view)
        return self.stored

    def pruned(self, features: Collection[str]) -> ViewBuckets:
        """Return the table, with the view and the columns as far as some of its features need them.

        Raises:
            DataError: FC510, the table lacks an input of one of these features.
        """
        view = self._needed(features)
        with self._there():
            buckets, rows = self.stored.buckets(self.table_version), self.stored.statistics(self.table_version).rows
        return ViewBuckets(view=view, buckets=buckets, read=partial(self.read, columns=self._columns(view)), rows=rows)

    def lacks(self, feature: str) -> bool:
        """Return whether the table does not hold yet what a feature needs."""
        try:
            self._needed({feature})
        except DataError:
            return True
        return False

    def _columns(self, view: FeatureView) -> list[str]:
        """Return the columns that the answers of a view need; availability only where it is no fixed delay."""
        clocks = [EVENT_TIME] if self.known_at is None and view.delay_us is not None else [EVENT_TIME, AVAILABLE_AT]
        return list(dict.fromkeys([*view.keys, *clocks, *(f.column for f in view.features if f.column is not None)]))

    def _needed(self, features: Collection[str]) -> FeatureView:
        wanted, derived = set(features), []
        for item in reversed(self.view.derived):  # each reads only what stands above it
            if item.name in wanted:
                derived.append(item)
                wanted |= expression_columns(item.expression.text)
        stored = tuple(f for f in self.view.features if f.name in wanted)
        view = replace(self.view, features=stored, derived=tuple(reversed(derived)))
        self._check(view)
        return view

    def _check(self, view: FeatureView) -> None:
        added = [f.name for f in view.features if f.column in self.lacking]
        if added:
            raise DataError(
                f"{self.label} was not materialized since {plural(len(added), 'feature')} {', '.join(added)} "
                f"{plural(len(added), 'was', 'were')} added",
                code="FC510",
                hint=f"featurectl materialize {view.name}",
            )

    def read(self, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a bucket that count; `columns` are those that are needed."""
        with self._there():
            return self._known(self.stored.read(bucket=bucket, version=self.table_version, columns=columns))

    def blocks(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Give all rows that count, about so many at a time, in any order; `columns` are those that are needed."""
        wanted = None if columns is None else [*columns, AVAILABLE_AT]
        with self._there():
            yield from (self._known(block) for block in self.stored.blocks(self.table_version, rows, wanted))

    def _known(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows if self.known_at is None else rows.filter(pl.col(AVAILABLE_AT) <= self.known_at)

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except (StoreError, TryAgainError) as error:
            if not self.pinned:
                raise
            message = f"version {self.table_version} of the offline table of {self.label} is gone: {error.message}"
            raise DataError(message, code="FC520") from error


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
