"""Which rows a model learns from, and which it is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import counted, format_duration
from featurectl.language.definitions.model import Trainer

# Reasons for which a row is left out, wherever it was to be.
_UNKNOWN: Final = ("no_time", "later_than_now", "null_label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows to learn from: inputs, label (null: left out) and the instant of each.

    `horizon_us` is how far the label of a row looks beyond its instant. `holdout` are rows to judge on, in place of
    the last of these. `places` are those of the rows among the ones that they were taken from; None: all, in order.
    Of rows later than `now` nobody knows the label yet; None: there are no such.
    """

    rows: pl.DataFrame
    label: pl.Series
    time: pl.Series
    horizon_us: int = 0
    holdout: Examples | None = None
    places: npt.NDArray[np.int64] | None = None
    now: datetime | None = None

    @property
    def taken(self) -> npt.NDArray[np.int64]:
        """The places of the rows among those that they were taken from."""
        return np.arange(self.rows.height) if self.places is None else self.places

    def only(self, keep: npt.NDArray[np.bool_]) -> Examples:
        """Return some of the rows, in order."""
        mask = pl.Series(keep)
        return replace(
            self,
            rows=self.rows.filter(mask),
            label=self.label.filter(mask),
            time=self.time.filter(mask),
            places=self.taken[keep],
        )

    def numbers(self, model: str) -> npt.NDArray[Any]:
        """Return the label as numbers.

        Raises:
            DataError: FC515, it is neither a bool nor a number.
        """
        label = self.label
        if label.dtype == pl.Boolean:
            return label.cast(pl.Int64).to_numpy()
        if label.dtype.is_numeric():
            return label.to_numpy()
        message = f"model {model}: the label {label.name} is {label.dtype}; a label is a bool or a number"
        raise DataError(message, code="FC515")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSplit:
    """The rows to train on, those to judge on, and the instant from which on there are such.

    `left_out` counts the rows of the training set that are neither, by reason; those of a holdout by reasons that
    begin with "validation_".
    """

    train: Examples
    judged: Examples
    judged_from: datetime | None
    left_out: Mapping[str, int]


def split_examples(examples: Examples, trainer: Trainer, model: str) -> TrainingSplit:
    """Return the earlier rows to train on and the last share of them by time to judge on; of a holdout all rows judge.

    Rows whose label or time is null are left out, rows later than now, and rows to train on whose label looks into
    the validation period; beside a holdout, which may hold other entities at the same time, none for that.

    Raises:
        DataError: FC515, there is nothing to train on.
    """
    known, left_out = _known(examples, trainer.sample, trainer.seed)
    split = (
        _split_off(known, trainer.split_fraction, left_out)
        if examples.holdout is None
        else _beside(known, examples.holdout, left_out)
    )
    if not split.train.rows.height:
        raise _nothing_to_learn(examples, known, trainer, model)
    return split


def _split_off(known: Examples, fraction: float, left_out: Mapping[str, int]) -> TrainingSplit:
    is_train, cut = split_by_time(known.time, fraction)
    train = is_train & label_ends_before(known, cut)
    return TrainingSplit(
        train=known.only(train),
        judged=known.only(~is_train),
        judged_from=cut,
        left_out={**left_out, "label_in_validation": int(is_train.sum() - train.sum())},
    )


def _beside(known: Examples, holdout: Examples, left_out: Mapping[str, int]) -> TrainingSplit:
    judged, of_holdout = _known(holdout, 1.0, 0)
    start = judged.time.min()
    return TrainingSplit(
        train=known,
        judged=judged,
        judged_from=start if isinstance(start, datetime) else None,
        left_out={**left_out, **{f"validation_{reason}": n for reason, n in of_holdout.items() if reason in _UNKNOWN}},
    )


def _nothing_to_learn(examples: Examples, known: Examples, trainer: Trainer, model: str) -> DataError:
    """Return the error that no row is left to train on, with what became of them."""
    drawn = f" in a sample of {trainer.sample:g}" if trainer.sample < 1 else ""
    split = f"; the last {trainer.split_fraction:g} of these by time validate" if examples.holdout is None else ""
    later = 0 if examples.now is None else int((examples.time > examples.now).sum())
    future = f", {later:,} later than now" if later else ""
    counts = f"{counted(examples.rows.height, 'row')}{future}, {known.rows.height:,} with a label{drawn}{split}"
    hint = ""
    if examples.horizon_us and known.rows.height:
        hint = f"a label looks {format_duration(examples.horizon_us)} ahead, and must end before the validation begins"
    return DataError(f"model {model}: no rows to train on ({counts})", code="FC515", hint=hint)


def split_by_time(time: pl.Series, fraction: float) -> tuple[npt.NDArray[np.bool_], datetime | None]:
    """Return which rows are trained on, and the instant from which on they are not.

    The last `fraction` of the rows by time validate; rows of one instant stay together, on that side.
    """
    ordered = time.sort()
    first = int(np.floor(len(time) * (1 - fraction)))
    if first >= len(time):
        return np.ones(len(time), dtype=bool), None
    cut = ordered[first]
    return (time < cut).to_numpy(), cut


def label_ends_before(examples: Examples, cut: datetime | None) -> npt.NDArray[np.bool_]:
    """Return which rows have a label that is decided when the validation period begins."""
    if cut is None:
        return np.ones(len(examples.time), dtype=bool)
    return (examples.time <= cut - timedelta(microseconds=examples.horizon_us)).to_numpy()


def _known(examples: Examples, sample: float, seed: int) -> tuple[Examples, Mapping[str, int]]:
    """Return the rows with a time and a label, a share of them, and how many others there are by reason."""
    timed = examples.time.is_not_null().to_numpy()
    past = timed if examples.now is None else timed & (examples.time <= examples.now).fill_null(value=False).to_numpy()
    labelled = past & examples.label.is_not_null().to_numpy()
    keep = labelled.copy()
    if sample < 1.0:
        keep &= np.random.default_rng(seed).random(len(keep)) < sample
    rows = (len(timed), timed.sum(), past.sum(), labelled.sum(), keep.sum())
    reasons = (*_UNKNOWN, "not_sampled")
    return examples.only(keep), {
        reason: int(before - after) for reason, before, after in zip(reasons, rows, rows[1:], strict=False)
    }
