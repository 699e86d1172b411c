"""Rows of a spine that lie later than what their features were computed from: said, or of streams refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.core.errors import DataError
from featurectl.core.units import format_instant, format_iso, plural
from featurectl.language.definitions.model import Model
from featurectl.operations.training.long_spine import AnySpine
from featurectl.operations.views import BoundView

_ROWS: Final = 1_000_000  # looked at together
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def later_row_warnings(spine: AnySpine, views: Iterable[BoundView], now: datetime) -> tuple[str, ...]:
    """Return a sentence on rows later than now, those of `uncomputed_row_warnings`, and one on rows that are early."""
    (count,) = _count_later(spine, [now])
    are = plural(int(count), "row is", "rows are")
    line = f"{count:,} {are} later than now ({format_instant(now)}): their features are those known by now"
    early = _early_line(spine)
    return (*([line] if count else []), *uncomputed_row_warnings(spine, views, now), *([early] if early else []))


def uncomputed_row_warnings(spine: AnySpine, views: Iterable[BoundView], now: datetime) -> tuple[str, ...]:
    """Return a sentence on rows up to now that are later than tables were computed; tables of one run share one.

    A static source is true always, and a table that is pinned is the one that was asked for: neither is looked at.
    """
    tables = sorted((bound for bound in views if _may_lack_rows(bound, now)), key=_computed_at)
    runs = [(at, [*of_run]) for at, of_run in groupby(tables, _computed_at)]
    beyond, *counts = _count_later(spine, [now, *(at for at, _ in runs)])
    found = zip(counts, runs, strict=True)
    return tuple(_line(int(count - beyond), of_run, at) for count, (at, of_run) in found if count > beyond)


def check_logged(spine: AnySpine, views: Iterable[BoundView], until: datetime | None = None) -> None:
    """Check that rows of a spine are no later than what tables of streams have all events of.

    Rows later than `until` (None: there is no such instant) are nobody's. A table that is pinned is not looked at.

    Raises:
        DataError: FC509, some are later: events that they would know may not be there yet.
    """
    for bound in views:
        if bound.asof is None or bound.pinned:
            continue
        later, beyond = _count_later(spine, [bound.asof, max(until, bound.asof) if until else _NEVER])
        if count := int(later - beyond):
            are, asof = plural(count, "row is", "rows are"), format_instant(bound.asof)
            raise DataError(
                f"spine {spine.origin}: {count:,} {are} later than {asof}, up to which the table of {bound.label} has "
                f"all events of stream {bound.view.source.name}: later ones may not be logged yet",
                code="FC509",
                hint=f"featurectl materialize {bound.view.name} takes what was logged since; or leave out what is "
                f"later than {format_iso(bound.asof)}",
            )


def _may_lack_rows(bound: BoundView, now: datetime) -> bool:
    if bound.pinned or bound.view.source.static:
        return False
    return bound.computed_at is not None and bound.computed_at < now


def _computed_at(bound: BoundView) -> datetime:
    assert bound.computed_at is not None
    return bound.computed_at


def _line(rows: int, tables: Sequence[BoundView], at: datetime) -> str:
    labels, names = ", ".join(bound.label for bound in tables), " ".join(bound.view.name for bound in tables)
    are, was = plural(rows, "row is", "rows are"), plural(len(tables), "was", "were")
    return f"{rows:,} {are} later than {labels} {was} computed ({format_instant(at)}): featurectl materialize {names}"


def _count_later(spine: AnySpine, instants: Sequence[datetime]) -> npt.NDArray[np.int64]:
    """Return how many rows are later than each of some instants."""
    counts = np.zeros(len(instants), np.int64)
    for start in range(0, spine.height, _ROWS):
        asked = spine.part(start, _ROWS).asked
        counts += [int((asked > at).sum()) for at in instants]
    return counts


def unknown_at_warnings(spine: AnySpine, model: Model | None) -> tuple[str, ...]:
    """Return a sentence on rows of which nobody says when their answers are made, though the model's rows say it."""
    if model is None or model.spine.known_at is None or spine.known_column:
        return ()
    column = f"has no column {model.spine.known_at!r}, the known_at of model {model.name}"
    return (f"spine {spine.origin} {column}: its rows are answered at their times",)


def count_early(spine: AnySpine) -> int:
    """Return how many rows are answered before their own time, so that their windows end there."""
    parts = (spine.part(start, _ROWS).early for start in range(0, spine.height, _ROWS)) if spine.known_column else ()
    return sum(int(early.sum()) for early in parts if early is not None)


def _early_line(spine: AnySpine) -> str:
    if not (count := count_early(spine)):
        return ""
    are, of = plural(count, "row is", "rows are"), f"{spine.time_column} after {spine.known_column}"
    return f"{count:,} {are} known before they happen ({of}): what they ask ends when they are known"
