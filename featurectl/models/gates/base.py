"""What gates look at, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy.typing as npt
import polars as pl

from featurectl.models.golden_rows import Golden
from featurectl.models.metrics import Task, measure
from featurectl.models.runtimes.base import Classes, Matrix, Runtime, Scores
from featurectl.registry.state import BoundFeature, GateResult

ENOUGH_ROWS: Final = 100  # for a figure that somebody is turned away by
ENOUGH_OF_A_CLASS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The champion: its version, and its scores of the rows that a version is judged on.

    `classes` are the probabilities of several classes, where it gives them. `missing` says why it has no scores of the
    rows; "" where it has.
    """

    version: int
    scores: Scores
    classes: Classes | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateEvidence:
    """A version of a model and the rows that it is judged on.

    `rows` are raw inputs, `matrix` is made of them, `scores` are the model's, and `classes` the probabilities of
    several classes, where it gives them. `task` is what it was measured by when it was trained. `native` is the model
    by the library that trained it, `serving` as `serve` runs it, `onnx_missing` why that is not ONNX ("" where it is).
    `size_bytes` is that of its largest file. `champion` None: there is none.
    """

    inputs: Sequence[BoundFeature]
    rows: pl.DataFrame
    matrix: Matrix
    label: npt.NDArray[Any]
    scores: Scores
    task: Task
    native: Runtime
    serving: Runtime
    onnx_missing: str
    golden: Golden
    size_bytes: int
    seed: int
    classes: Classes | None = None
    champion: Champion | None = None

    def metrics(self, scores: Scores, classes: Classes | None = None) -> dict[str, float]:
        """Return the metrics of scores of the rows, by the model's task."""
        return measure(self.label, scores, self.task, classes)


class Gate(Protocol):
    """One thing that is asked of a version."""

    @property
    def name(self) -> str:
        """What it is called in results: its key in the language, where it has one."""

    @property
    def asked(self) -> str:
        """What it asks, as text; two gates of one name that ask the same give the same answer."""

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Return what is measured, and whether that is enough; None: there is nothing to measure it by."""


def answer(gate: Gate, measured: str, passed: bool | None) -> GateResult:  # noqa: FBT001  # as it is stored
    """Return the result of a gate."""
    return GateResult(name=gate.name, asked=gate.asked, measured=measured, passed=passed)


def figure(value: float) -> str:
    """Return a number as people read it.

    >>> figure(0.65), figure(0.1234567), figure(12), figure(1234567.89)
    ('0.65', '0.123457', '12', '1234567.9')
    """
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"


def bound(value: float) -> str:
    """Return a bound as it is written: two bounds have one text only where they are the same.

    >>> bound(0.65), bound(10.0), bound(1234567.5), bound(-0.002)
    ('0.65', '10', '1234567.5', '-0.002')
    """
    return repr(value).removesuffix(".0")


def keeps(value: float, least: float | None, most: float | None) -> bool:
    """Return whether a number keeps to its bounds; NaN keeps to none."""
    return (least is None or value >= least) and (most is None or value <= most)
