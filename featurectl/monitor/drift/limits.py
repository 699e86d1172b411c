"""How far a feature may move: a limit for each metric, of all features or of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.models.profile.profile import SCORE, ProfileKind

DriftMetric = Literal["psi", "js", "ks", "wasserstein", "null_rate", "outside"]
METRICS: Final[tuple[DriftMetric, ...]] = get_args(DriftMetric)
DEFAULTS: Final[Mapping[DriftMetric, float]] = {"psi": 0.2, "null_rate": 0.1}
MIN_ROWS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLimits:
    """Limits by metric, and those of one column by (kind, name, metric); a metric without one is not judged.

    `null_rate` is how much the share of nulls may change, `outside` the share of values that may lie outside of what
    the model was trained on. Below `min_rows` on either side nothing is judged.
    """

    of_all: Mapping[DriftMetric, float] = field(default_factory=lambda: dict(DEFAULTS))
    of_one: Mapping[tuple[ProfileKind, str, DriftMetric], float] = field(default_factory=dict)
    min_rows: int = MIN_ROWS

    def of(self, kind: ProfileKind, name: str, metric: DriftMetric) -> float | None:
        """Return the limit of a feature or of the score, None without one."""
        return self.of_one.get((kind, name, metric), self.of_all.get(metric))


def parse_limits(texts: Iterable[str], min_rows: int, features: Iterable[str]) -> DriftLimits:
    """Return the default limits, changed by texts like `psi=0.1` and `distance:ks=0.2`.

    `(score)` is the model's output, as in the table; so is `score`, unless a feature is called that.

    Raises:
        UsageError: a text is none, or names no metric or none of the features.
    """
    if min_rows < 1:
        raise UsageError(f"--min-rows {min_rows} is no number of rows", hint="1 or more")
    of_all, known = dict(DEFAULTS), list(features)
    of_one: dict[tuple[ProfileKind, str, DriftMetric], float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        feature, colon, word = name.rpartition(":")
        metric = _metric(text, word.strip())
        limit = _number(text, number) if equals else math.nan
        if colon:
            of_one[*_column(text, feature.strip(), known), metric] = limit
        else:
            of_all[metric] = limit
    return DriftLimits(of_all=of_all, of_one=of_one, min_rows=min_rows)


def _column(text: str, name: str, features: Sequence[str]) -> tuple[ProfileKind, str]:
    if name in features:
        return "feature", name
    if name in (SCORE, f"({SCORE})"):
        return "score", SCORE
    hint = did_you_mean(name, [*features, SCORE]) or f"features: {', '.join(features)}; and {SCORE}, the model's output"
    raise UsageError(f"--limit {text}: the model has no feature {name!r}", hint=hint)


def _metric(text: str, word: str) -> DriftMetric:
    for metric in METRICS:
        if metric == word:
            return metric
    rest = f"metrics: {', '.join(METRICS)}; write it like psi=0.1 or FEATURE:ks=0.2"
    hint = (did_you_mean(word, METRICS) if word else None) or rest
    raise UsageError(f"--limit {text}: no metric {word!r}", hint=hint)


def _number(text: str, number: str) -> float:
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise UsageError(f"--limit {text}: {number!r} is no limit", hint="a number of 0 or more")
    return limit
