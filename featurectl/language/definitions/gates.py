"""What a version of a model has to reach, and how it takes over: gates and canaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# The metrics that a gate can name, as `models.metrics` measures them: what is more of them, better or worse.
MORE_IS_BETTER: Final = ("auc", "average_precision", "accuracy", "precision", "recall", "f1", "macro_f1", "r2")
LESS_IS_BETTER: Final = ("log_loss", "brier", "mae", "rmse", "mape")
METRICS: Final = (*MORE_IS_BETTER, *LESS_IS_BETTER, "positive_rate")
# What is asked of every version, whatever its model says.
ASKED_OF_ALL: Final = ("onnx_equals_native", "single_feature_auc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """How much scores may suffer when inputs are disturbed.

    `noise` is in standard deviations of a numeric column, `missing` the share of values made null, `unseen` the share
    of categories made unseen; `max_mean_shift` bounds how far the mean score moves, `max_auc_drop` what AUC loses.
    """

    noise: float | None = None
    missing: float | None = None
    unseen: float | None = None
    max_mean_shift: float | None = None
    max_auc_drop: float | None = None

    def disturbances(self) -> dict[str, float]:
        """Return what is done to the inputs, by name, and how much of it."""
        found = {"noise": self.noise, "missing": self.missing, "unseen": self.unseen}
        return {name: amount for name, amount in found.items() if amount is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What a version must reach: bounds of metrics by name, and what else is measured.

    `least_gain` bounds what a metric gains over the champion's on the same rows. `slices` are category inputs, each of
    whose values must keep to `least` and `most` by itself.
    """

    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    least_gain: Mapping[str, float] = field(default_factory=dict)
    max_model_size_mb: float | None = None
    max_latency_p99_ms: float | None = None
    robustness: Robustness | None = None
    slices: tuple[str, ...] = ()

    def metrics(self) -> list[str]:
        """Return the metrics that are named, each once."""
        return list(dict.fromkeys([*self.least, *self.most, *self.least_gain]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySuccess:
    """What a canary must keep to."""

    latency_p99_ms: float | None = None
    error_rate_percent: float | None = None
    freshness_us: int | None = None
    score_psi: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How a new version takes over: it answers `percent` of the entities, for so long, at least so many requests.

    `percent` 0 is shadow mode: it scores what the champion answers, and nobody sees its scores.
    """

    percent: float
    for_us: int
    success: CanarySuccess = CanarySuccess()
    min_requests: int | None = None
