"""The table as the last push had it: what the online store is compared with, whatever came into the table since."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from featurectl.core.errors import DataError, FeaturectlError, NoAnswerError, StoreError, TryAgainError
from featurectl.core.units import counted, plural
from featurectl.monitor.verify.later_begin import moved_begin
from featurectl.monitor.verify.report import ViewSkew
from featurectl.offline.base import Coverage, coverage_of
from featurectl.online.base import PushRecord
from featurectl.operations.views import BoundView, bind_at
from featurectl.registry.state import ObjectVersion

Compare = Callable[[BoundView], ViewSkew]


def compare_as_pushed(
    newest: BoundView, registered: ObjectVersion, record: PushRecord, wrote: Collection[str], compare: Compare
) -> ViewSkew:
    """Compare with the version of the table that a push had; where that is gone with the newest, and say so.

    Features that are not among those that it `wrote` are left out.

    Raises:
        DataError: it is gone, and what is there now begins later: it has not what was pushed.
        StoreError: a store can't be read.
    """
    history = newest.stored.history()
    try:
        bound = _at_push(newest, registered, record, history)
        if bound is not None:
            since, bound = _note_since(newest, bound, record, history), _written(bound, wrote)
            return _noted(compare(bound), since, _note_added(newest, bound))
    except (StoreError, TryAgainError) as error:
        lost = isinstance(error, TryAgainError) or (error.code == "FC603" and not isinstance(error, NoAnswerError))
        if not lost or record.table_version == newest.table_version:
            raise
        _check_begin(newest, record, history, error)
    bound = _written(newest, wrote)
    return _noted(compare(bound), _note_gone(newest, record, history), _note_added(newest, bound))


def _at_push(
    newest: BoundView, registered: ObjectVersion, record: PushRecord, history: Sequence[tuple[int, Coverage]]
) -> BoundView | None:
    """Return the table at the version that was pushed, with the features it has; None: there is no such version."""
    number, coverage = record.table_version, coverage_of(history, record.table_version)
    if number > newest.table_version or coverage is None or coverage.rebuild_id != record.rebuild_id:
        return None
    if number == newest.table_version:
        return newest
    try:
        bound = bind_at(newest, registered, number, coverage)
    except DataError:  # it was made by another definition
        return None
    had = [feature.name for feature in bound.view.features if feature.column not in bound.lacking]
    return _written(bound, had) if had else None


def _written(bound: BoundView, names: Collection[str]) -> BoundView:
    """Return a view with some of its stored features; with all of them where it has none of these."""
    features = tuple(feature for feature in bound.view.features if feature.name in names)
    if not features or len(features) == len(bound.view.features):
        return bound
    return replace(bound, view=replace(bound.view, features=features, derived=()))


def _note_since(
    newest: BoundView, bound: BoundView, record: PushRecord, history: Sequence[tuple[int, Coverage]]
) -> str:
    """Say what became of the table after the push."""
    if bound is newest:
        return ""
    here = coverage_of(history, newest.table_version)
    if here is not None and here.rebuild_id != record.rebuild_id:
        what = "was rebuilt" if moved_begin(newest, history) is None else "begins later"
        return f"its table {what} since the last push: compared with version {record.table_version} of it"
    stored = newest.stored
    rows = stored.statistics(newest.table_version).rows - stored.statistics(bound.table_version).rows
    if rows <= 0:
        return ""
    came = f"{counted(rows, 'row')} came into its table after the last push"
    return f"{came}: featurectl push {newest.view.name}"


def _note_added(newest: BoundView, bound: BoundView) -> str:
    """Say which features the last push did not have."""
    had = {feature.name for feature in bound.view.features}
    added = [feature.current_name for feature in newest.view.features if feature.name not in had]
    if not added:
        return ""
    features = f"{plural(len(added), 'feature')} {', '.join(added)} {plural(len(added), 'was', 'were')} added"
    return f"{features} after the last push: not compared; featurectl push {newest.view.name}"


def _note_gone(newest: BoundView, record: PushRecord, history: Sequence[tuple[int, Coverage]]) -> str:
    here = coverage_of(history, newest.table_version)
    what = "its files were removed" if here and here.rebuild_id == record.rebuild_id else "the table was rebuilt"
    gone = f"version {record.table_version} of its table, which was pushed last, is gone ({what}): compared with"
    since = "what changed since counts as differences"
    return f"{gone} version {newest.table_version}, and {since}; featurectl push {newest.view.name}"


def _check_begin(
    newest: BoundView, record: PushRecord, history: Sequence[tuple[int, Coverage]], error: FeaturectlError
) -> None:
    """See that the newest table can stand in for the one that was pushed, whose files may be gone for good."""
    begin = moved_begin(newest, history)
    if begin is None or begin.rebuild_id == record.rebuild_id:
        return
    message = f"{newest.label} begins later since its last push, and what was pushed can't be read any more"
    raise DataError(f"{message}: {error.message}", hint=f"featurectl push {newest.view.name}") from error


def _noted(skew: ViewSkew, *notes: str) -> ViewSkew:
    return replace(skew, note="; ".join(note for note in (*notes, skew.note) if note))


def are_others(before: PushRecord, after: PushRecord | None) -> bool:
    """Return whether rows may have been replaced that do not say so: not by a later push of the same table."""
    if after is None or after.rebuild_id != before.rebuild_id:
        return True
    return after != before and after.computed_at <= before.computed_at
