"""Labels that are all the same: a classifier learns nothing of them, and a regression next to nothing."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import polars as pl

from featurectl.core.errors import DataError
from featurectl.models.input_warnings import InputWarning
from featurectl.models.split import Examples


def is_classifier(estimator: object) -> bool:
    """Return whether an estimator, fitted or not, tells classes apart."""
    is_mixed_in = any(base.__name__ == "ClassifierMixin" for base in type(estimator).__mro__)
    is_said = getattr(estimator, "_estimator_type", None) == "classifier"
    return is_mixed_in or is_said or hasattr(estimator, "predict_proba")


def check_labels_differ(estimator: object, label: npt.NDArray[Any], examples: Examples, model: str) -> None:
    """See that the rows that a classifier is fitted on have more than one class.

    Raises:
        DataError: FC515, they don't.
    """
    if not is_classifier(estimator) or not is_constant(label):
        return
    raise DataError(
        f"model {model}: {_all_the_same(label, examples)}: nothing can be learned",
        code="FC515",
        hint="a classifier needs rows of two classes among those that it is trained on, which are the earliest by time",
    )


def warn_of_label(label: npt.NDArray[Any], examples: Examples) -> tuple[InputWarning, ...]:
    """Return the warning that all labels are the same, if they are."""
    if not is_constant(label):
        return ()
    message = f"{_all_the_same(label, examples)}: there is nothing to learn but that"
    return (InputWarning(input="", count=len(label), rows=len(label), message=message),)


def is_constant(label: npt.NDArray[Any]) -> bool:
    """Return whether there are labels, and no two that differ."""
    return len(label) > 0 and bool((label == label[0]).all())


def _all_the_same(label: npt.NDArray[Any], examples: Examples) -> str:
    value = label[0].item()
    shown = str(bool(value)).lower() if examples.label.dtype == pl.Boolean else f"{value:g}"
    what = f"all {len(label):,} labels to train on are" if len(label) > 1 else "the one label to train on is"
    return f"{what} {shown}"
