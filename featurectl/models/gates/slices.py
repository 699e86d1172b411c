"""Whether a bound of a metric is kept in each value of a category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.units import counted
from featurectl.language.definitions.gates import Gates
from featurectl.models.gates.base import ENOUGH_ROWS, GateEvidence, answer, figure, keeps
from featurectl.models.gates.metric import MetricGate, metric_gates
from featurectl.models.metrics import measure, part_of
from featurectl.registry.state import GateResult

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceGate:
    """`slices.INPUT.min_METRIC`: a bound in each value of a category that has 100 validation rows; null is a value."""

    column: str
    bound: MetricGate

    @property
    def name(self) -> str:
        """`slices.carrier.min_auc`."""
        return f"slices.{self.column}.{self.bound.name}"

    @property
    def asked(self) -> str:
        """`at least 0.65 in each value with 100 rows`."""
        return f"{self.bound.asked} in each value with {ENOUGH_ROWS} rows"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Measure the metric in each value with enough rows, and name the worst, or all that fail."""
        if self.column not in evidence.rows.columns:
            return answer(self, f"not measured: the version has no input {self.column}", False)
        values = evidence.rows[self.column].cast(pl.String).fill_null("null")
        counts = values.value_counts(sort=True, name="rows")
        large = counts.filter(pl.col("rows") >= ENOUGH_ROWS)[self.column]
        found: list[tuple[float, str]] = []
        for value in large:
            at = (values == value).to_numpy()
            metric = self._of(evidence, at)
            if metric is not None:
                found.append((metric, f"{value} {figure(metric)} ({counted(int(at.sum()), 'row')})"))
        found.sort(reverse=self.bound.most is not None)
        few, mute = counts.height - len(large), len(large) - len(found)
        notes = [f"{counted(few, 'value')} with too few rows to tell"] if few else []
        notes += [f"{counted(mute, 'value')} whose rows do not give {self.bound.metric}"] if mute else []
        if not found:
            return answer(self, "; ".join(notes) or "no rows", None)
        failed = [text for metric, text in found if not self._keeps(metric)]
        more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        shown = ", ".join(failed[:_SHOWN]) + more if failed else f"worst {found[0][1]}"
        return answer(self, "; ".join([f"{shown} of {counted(len(found), 'value')}", *notes]), not failed)

    def _of(self, evidence: GateEvidence, at: npt.NDArray[np.bool_]) -> float | None:
        classes = part_of(evidence.classes, at)
        return measure(evidence.label[at], evidence.scores[at], evidence.task, classes).get(self.bound.metric)

    def _keeps(self, metric: float) -> bool:
        least, most = self.bound.least, self.bound.most
        return keeps(metric, least, most)


def slice_gates(gates: Gates) -> Sequence[SliceGate]:
    """Return a gate for each bound of a metric in each input that has slices."""
    return [SliceGate(column=name, bound=bound) for name in gates.slices for bound in metric_gates(gates)]
