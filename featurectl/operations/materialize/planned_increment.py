"""What a run for a view's table reads: what it builds on, what there is to read, and why it is made anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import has_other_definition, has_other_form, lacking_inputs
from featurectl.operations.materialize.lost_rows import check_files_there
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.sources.base import Increment, SourcePart
from featurectl.sources.increment import plan_increment


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBasis:
    """A run's now, the first event time that it takes, and what the table has read that it may build on."""

    now: datetime
    begin: datetime | None
    base: Coverage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedIncrement:
    """What a run builds on (base None: on nothing), what it reads, and the parts that there are.

    `why_anew` says what a table of the same definition is made anew for; empty where it is not, or was asked for.
    `same_as`: what a table has read that is to be made anew, and stays where the rows are the same.
    `gone` are files that it has read, whose rows are to be looked for in those that there are.
    """

    base: Coverage | None
    increment: Increment
    parts: tuple[SourcePart, ...]
    why_anew: str = ""
    same_as: Coverage | None = None
    gone: tuple[str, ...] = ()


def next_increment(run: MaterializeRun, ahead: RunBasis) -> PlannedIncrement:
    """Return what a run reads.

    Raises:
        DataError: FC501, the table is to be made anew from files some of which are gone.
    """
    parts = run.reader.parts()
    base = base_of(run, ahead.base, ahead.begin)
    increment = plan_increment(run.reader, parts, base, ahead.now)
    why = why_anew(run, ahead.base)
    if base is not None and increment.rebuild:
        why = increment.reason
    gone = check_files_there(run, ahead.base, why, ahead.begin) if why and ahead.base is not None else ()
    kept, same_as = (None, base) if increment.rebuild else (base, None)
    return PlannedIncrement(
        base=kept, increment=increment, parts=parts, why_anew=why, same_as=same_as, gone=tuple(gone)
    )


def base_of(run: MaterializeRun, coverage: Coverage | None, begin: datetime | None = None) -> Coverage | None:
    """Return what a view's table has read; None where rows can't be added to it and it is made anew, from `begin` on.

    It lacks inputs of the view, or was made by another definition, or by a featurectl that made rows otherwise.

    Raises:
        DataError: FC501, it is to be made anew from files some of which are gone.
    """
    if coverage is None or has_other_definition(coverage, run.view):
        return None
    if why := why_anew(run, coverage):
        check_files_there(run, coverage, why, begin)
        return None
    return coverage


def why_anew(run: MaterializeRun, coverage: Coverage | None) -> str:
    """Return why no rows can be added to a table of the view's definition; empty: they can, or it is of another."""
    if coverage is None or has_other_definition(coverage, run.view):
        return ""
    if lacking_inputs(coverage, run.view):
        return "a column of it is new"
    return "another version of featurectl made it" if has_other_form(coverage, run.view) else ""


def table_begin(view: FeatureView, coverage: Coverage | None, since: datetime | None, now: datetime) -> datetime | None:
    """Return the first event time that a view's table holds after a run; None: all there are.

    A table that has a beginning keeps it, unless its `retention` moves it on.
    """
    if view.source.static:
        return None
    kept = None if view.retention_us is None else now - timedelta(microseconds=view.retention_us)
    return latest(kept, coverage.since if coverage is not None else since)


def latest(*instants: datetime | None) -> datetime | None:
    """Return the latest of some instants; None when there is none."""
    return max((t for t in instants if t is not None), default=None)
