"""What a window's features and scores are like, next to those that the model was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from featurectl.core.units import counted
from featurectl.models.profile.numbers import NumberCounts
from featurectl.models.profile.profile import Profile, ProfiledColumn, ProfileKind, Values
from featurectl.monitor.drift.distances import (
    Distances,
    category_distances,
    divergence_of_psi,
    number_distances,
)
from featurectl.monitor.drift.drawing import Drawing, draw_columns
from featurectl.monitor.drift.limits import DriftLimits, DriftMetric
from featurectl.monitor.significance import SIGMAS, is_beyond, most_by_chance

DriftState = Literal["drift", "ok", "too few rows"]
_KS_MOST: Final = 2.2  # times the spread: by chance alone beyond it in 1e-4 of all cases
_WASSERSTEIN_MOST: Final = 3.0  # times its mean by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """A feature of a model, or its score (`kind` says which), in a window and when it was trained.

    `n` and `n_reference` are rows, with nulls; distances are None without values on either side, and for what has none
    (see `Distances`). `beyond` are distances less what chance alone hardly ever gives, where there are enough values
    to judge. `outside` is the share of values below the least or above the greatest one of the training, or of
    categories that none of its frequent ones is. `enough` is False where there are too few rows to judge; `broken`
    names the metrics that are beyond their limits, and chance.
    """

    model: str
    version: int
    feature: str
    kind: ProfileKind
    n: int
    n_reference: int
    psi: float | None = None
    js: float | None = None
    ks: float | None = None
    wasserstein: float | None = None
    chance: Mapping[str, float]
    beyond: Mapping[DriftMetric, float]
    null_rate: float
    null_rate_reference: float
    outside: float
    enough: bool
    note: str = ""
    broken: tuple[DriftMetric, ...] = ()
    drawing: Drawing

    @property
    def state(self) -> DriftState:
        """Whether it has drifted."""
        return "too few rows" if not self.enough else "drift" if self.broken else "ok"


def compare_profiles(
    of: tuple[str, int], reference: Profile, window: Profile, limits: DriftLimits | None = None
) -> Sequence[DriftRow]:
    """Return a row for each column, the worst first; `of` is the model and its version.

    Both profiles have the same columns in the same bins.
    """
    pairs = zip(reference.columns, window.columns, strict=True)
    rows = [_compare(of, before, after.values, limits or DriftLimits()) for before, after in pairs]
    return sorted(rows, key=_order)


def _order(row: DriftRow) -> tuple[int, float]:
    return ("drift", "ok", "too few rows").index(row.state), -(row.psi or 0.0)


def _compare(of: tuple[str, int], column: ProfiledColumn, after: Values, limits: DriftLimits) -> DriftRow:
    before = column.values
    valued = min(before.known, after.known)
    found = _distances(before, after) if valued else None
    enough = min(before.rows, after.rows) >= limits.min_rows
    beyond: Mapping[DriftMetric, float] = {}
    broken: list[DriftMetric] = []
    if enough and found is not None and valued >= limits.min_rows:
        beyond = _beyond_chance(found, math.sqrt(1 / before.known + 1 / after.known))
        broken += _broken(column, beyond, after, limits)
    if enough and _nulls_beyond(column, after, limits):
        broken.append("null_rate")
    return DriftRow(
        model=of[0],
        version=of[1],
        feature=column.name,
        kind=column.kind,
        n=after.rows,
        n_reference=before.rows,
        psi=found.psi if found else None,
        js=found.js if found else None,
        ks=found.ks if found else None,
        wasserstein=found.wasserstein if found else None,
        chance=_chance(found),
        beyond=beyond,
        null_rate=_null_rate(after),
        null_rate_reference=_null_rate(before),
        outside=_outside(after) / after.known if after.known else 0.0,
        enough=enough,
        note=_note(before, after, limits),
        broken=tuple(broken),
        drawing=draw_columns(before, after),
    )


def _distances(before: Values, after: Values) -> Distances:
    if isinstance(before, NumberCounts):
        assert isinstance(after, NumberCounts)
        return number_distances(before, after)
    assert not isinstance(after, NumberCounts)
    return category_distances(before, after)


def _broken(
    column: ProfiledColumn, beyond: Mapping[DriftMetric, float], after: Values, limits: DriftLimits
) -> list[DriftMetric]:
    """Return the distances that are beyond their limits by more than chance gives."""
    far: list[DriftMetric] = []
    for metric, value in beyond.items():
        limit = limits.of(column.kind, column.name, metric)
        if limit is not None and value > limit:
            far.append(metric)
    limit = limits.of(column.kind, column.name, "outside")
    if limit is not None and is_beyond(_outside(after), after.known, limit):
        far.append("outside")
    return far


def _beyond_chance(found: Distances, spread: float) -> Mapping[DriftMetric, float]:
    """Return each distance less what chance alone hardly ever gives."""
    most = most_by_chance(found.psi_chance, found.degrees)
    left: dict[DriftMetric, float] = {
        "psi": found.psi - most,
        "js": math.sqrt(max(found.js**2 - divergence_of_psi(most), 0.0)),
    }
    if found.ks is not None:
        left["ks"] = found.ks - _KS_MOST * spread
    if found.wasserstein is not None:
        left["wasserstein"] = found.wasserstein - _WASSERSTEIN_MOST * (found.wasserstein_chance or 0.0)
    return {metric: max(value, 0.0) for metric, value in left.items()}


def _nulls_beyond(column: ProfiledColumn, after: Values, limits: DriftLimits) -> bool:
    """Return whether the share of nulls has changed by more than a limit and chance."""
    before, limit = column.values, limits.of(column.kind, column.name, "null_rate")
    if limit is None:
        return False
    pooled = (before.nulls + after.nulls) / (before.rows + after.rows)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / before.rows + 1 / after.rows))
    return abs(_null_rate(after) - _null_rate(before)) > limit + SIGMAS * spread


def _null_rate(values: Values) -> float:
    return values.nulls / values.rows if values.rows else 0.0


def _outside(values: Values) -> int:
    return values.outside if isinstance(values, NumberCounts) else values.others


def _chance(found: Distances | None) -> dict[str, float]:
    if found is None:
        return {}
    every = {
        "psi": found.psi_chance,
        "js": found.js_chance,
        "ks": found.ks_chance,
        "wasserstein": found.wasserstein_chance,
    }
    return {name: value for name, value in every.items() if value is not None}


def _note(before: Values, after: Values, limits: DriftLimits) -> str:
    """Return what a reader has to know of a row beside its numbers; "" for nothing."""
    least = limits.min_rows
    if before.rows < least:
        return f"{counted(before.rows, 'row')} when it was trained, {least:,} are needed"
    if after.rows < least:
        return f"{counted(after.rows, 'row')}, {least:,} are needed"
    if before.known < least:
        return f"{counted(before.known, 'value')} when it was trained: nulls alone are judged"
    if after.known < least:
        return f"{counted(after.known, 'value')}: nulls alone are judged"
    infinite = (
        isinstance(before, NumberCounts) and isinstance(after, NumberCounts) and (before.infinite or after.infinite)
    )
    return "infinite values: no Wasserstein distance" if infinite else ""
