"""How many random cases were compared, and how many of them had what makes a case hard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE
from tests.pit.cases import INPUTS, Case


class Tally:
    """Counts of cases by what they had; `answers` counts single values that were compared."""

    def __init__(self) -> None:
        self.cases = self.answers = self.empty = 0
        self.had: Counter[str] = Counter()

    def see(self, case: Case, expected: Sequence[dict[str, object]]) -> None:
        """Take note of a case and of the naive answers to its windows."""
        counts = [row[question.name] for row in expected for question in case.windows if question.op == "count"]
        self.cases += 1
        self.answers += len(expected) * (len(case.windows) + len(case.states))
        self.empty += counts.count(0)
        self.had.update(name for name, there in self._features(case, counts).items() if there)

    def _features(self, case: Case, counts: Sequence[object]) -> dict[str, bool]:
        rows, spine = case.rows, case.spine
        clocks = [*case.keys, EVENT_TIME, AVAILABLE_AT]
        times = rows[EVENT_TIME].dt.epoch("us").to_list()
        asked = spine["t"].dt.epoch("us").drop_nulls().to_list()
        ends = {t - q.offset_us - width for t in asked for q in case.windows for width in (0, q.window_us or 0)}
        return {
            "ties": rows.height > 0 and bool(rows.select(clocks).is_duplicated().any()),
            "tiebreak columns": TIE.format(0) in rows.columns,
            "nulls in a column": any(rows[name].null_count() for name in INPUTS),
            "nulls in the spine": any(column.null_count() for column in spine.get_columns()),
            "late rows": rows.filter(pl.col(AVAILABLE_AT) > pl.col(EVENT_TIME)).height > 0,
            "empty windows": 0 in counts,
            "rows at an end of a window": bool(ends & set(times)),
            "spine rows twice": spine.height > 0 and bool(spine.is_duplicated().any()),
            "several key columns": len(case.keys) > 1,
            "no key": not case.keys,
            "closed other than left": case.closed != "left",
            "hops": case.hop_us is not None,
            "offsets": any(question.offset_us for question in case.windows),
            "times of knowledge": "known" in spine.columns,
            "no rows": rows.is_empty(),
        }

    def told(self) -> str:
        """Return a table of shares, one line each."""
        head = f"{self.cases:,} random tables, {self.answers:,} answers compared; share of the tables with"
        lines = [f"  {name:<27} {count / self.cases:6.1%}" for name, count in self.had.most_common()]
        return "\n".join([head, *lines])
