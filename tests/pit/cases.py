"""Random tables and questions about them, for comparison with the naive oracle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import strategies as st

from featurectl.pit.aggregates.all_aggregates import AGGREGATES
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER, StateQuestion, WindowQuestion
from tests.pit.frames import INSTANT, instants

INPUTS: dict[str, Any] = {
    "x": (pl.Float64, [None, 0.0, -1.25, 0.1, 3.5, 1e6, -0.0]),
    "nan": (pl.Float64, [None, float("nan"), 1.0, 2.0]),
    "i": (pl.Int64, [None, 0, 1, -7, 2**40, 3]),
    "big": (pl.Int64, [None, 2**62, -(2**62), 2**63 - 1, 1 - 2**63, 5]),
    "s": (pl.String, [None, "", "a", "é", "z", "ab"]),
    "b": (pl.Boolean, [None, True, False]),
    "d": (pl.Decimal(12, 2), [None, Decimal("0.10"), Decimal("-3.25"), Decimal("99999.99")]),
    "wide": (pl.Decimal(38, 4), [None, Decimal("9" * 32), Decimal("-" + "9" * 32), Decimal("0.0001")]),
    "day": (pl.Date, [None, date(2024, 2, 29), date(1969, 12, 31)]),
    "at": (INSTANT, [None, datetime(2024, 1, 1, tzinfo=UTC), datetime(1969, 1, 1, 0, 0, 1, tzinfo=UTC)]),
}
NUMBERS = ["x", "nan", "i", "b", "d"]
TAKES = {
    **{key: [*NUMBERS, "wide"] for key in ["sum", "mean"]},
    **dict.fromkeys(["stddev", "stddev_pop", "var", "var_pop", "median", "percentile"], NUMBERS),
    **{key: ["b"] for key in ["any", "all"]},
}
KEYS: dict[str, Any] = {
    "none": {},
    "composite": {"k": (pl.String, ["a", "b"]), "l": (pl.Date, [date(2024, 1, 1), date(2024, 1, 2)])},
    "three": {
        "k": (pl.Int64, [1, -1]),
        "l": (pl.String, ["", "a"]),
        "m": (INSTANT, [datetime(2024, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)]),
    },
    "int64": {"k": (pl.Int64, [0, -5, 2**63 - 1, -(2**63)])},
    "two numbers": {"k": (pl.Int64, [0, 2**63 - 1, -(2**63)]), "l": (pl.Int64, [-1, 2**62])},
    "string": {"k": (pl.String, ["", "a", "ä"])},
    "bool": {"k": (pl.Boolean, [True, False])},
}
FAR = 2_700_000_000_000_000  # microseconds, 85 years: a table of 28 of them under three keys needs more than 63 bits
# How much later than it happens a row is known, one of a list each.
LATENESS = [[0], [0, 1, 2], list(range(20)), [4], [0, 0, 0, 0, 60], [-3, 0, 7]]
LATENESS_TIED = [[0], [0, 1], [4], [-3]]

TIES: dict[str, Any] = {
    "none": [],
    "one": [(pl.Int64, [None, 0, 1])],
    "two": [(pl.String, [None, "", "a"]), (pl.Float64, [None, float("nan"), -1.0, 2.0])],
    "times": [(INSTANT, INPUTS["at"][1]), (pl.Boolean, [None, True, False])],
}


@dataclass(kw_only=True, repr=False)
class Case:
    rows: pl.DataFrame
    spine: pl.DataFrame
    keys: list[str]
    windows: list[WindowQuestion]
    states: list[StateQuestion]
    closed: str
    hop_us: int | None
    ttl_us: int | None
    asked: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.asked = {"keys": self.keys, "time": "t", "known": "known" if "known" in self.spine.columns else None}

    def _repr_pretty_(self, printer: Any, cycle: object) -> None:  # noqa: ARG002  # of the protocol
        printer.text(f"closed={self.closed} hop_us={self.hop_us} ttl_us={self.ttl_us}\n")
        printer.text(f"rows = {self.rows.to_dicts()}\nspine = {self.spine.to_dicts()}\n")


def questions(draw: st.DrawFn) -> list[WindowQuestion]:
    """Every aggregate over every column that it takes, each with a window of its own."""
    window = st.one_of(st.none(), st.integers(1, 12))
    found = [WindowQuestion(name="rows", op="count", column=None, window_us=draw(window))]
    windows = draw(st.lists(st.tuples(window, st.sampled_from([0, 0, 1, 5])), min_size=3, max_size=3))
    for op in AGGREGATES:
        for column in TAKES.get(op, INPUTS):
            window_us, offset_us = windows[len(found) % 3]
            found.append(
                WindowQuestion(
                    name=f"{op}_{column}",
                    op=op,
                    column=column,
                    window_us=window_us,
                    offset_us=offset_us,
                    n=1 + len(found) % 4,
                    q=(0.0, 0.1, 0.5, 0.9, 1.0)[len(found) % 5],
                )
            )
    return found


@st.composite
def cases(draw: st.DrawFn, most_rows: int = 24, *, tied: bool = False) -> Case:
    """A table, a spine and what is asked; `tied`: most rows have the clocks of others, and tiebreak columns."""
    keys = KEYS[draw(st.sampled_from(list(KEYS)))]
    count = draw(st.integers(8 * tied, most_rows))
    of_rows = lambda values: st.lists(st.sampled_from(values), min_size=count, max_size=count)  # noqa: E731
    unit = draw(st.sampled_from([1, 1, 3_600_000_000, FAR]))
    times = draw(st.lists(st.integers(0, 1) if tied else st.integers(-10, 15), min_size=count, max_size=count))
    lateness = draw(st.sampled_from(LATENESS_TIED if tied else LATENESS))
    late = draw(of_rows(lateness))
    rows = {name: pl.Series(draw(of_rows(values)), dtype=dtype) for name, (dtype, values) in keys.items()}
    rows[EVENT_TIME] = instants(time * unit for time in times)
    rows[AVAILABLE_AT] = instants((time + behind) * unit for time, behind in zip(times, late, strict=True))
    for i, (dtype, values) in enumerate(TIES[draw(st.sampled_from(list(TIES)[tied:]))]):
        rows[TIE.format(i)] = pl.Series(draw(of_rows(values)), dtype=dtype)
    rows[TIE_ORDER] = pl.Series(draw(st.permutations(range(count))), dtype=pl.Int64)
    for name, (dtype, values) in INPUTS.items():
        rows[name] = pl.Series(draw(of_rows(values)), dtype=dtype)
    asks = draw(st.lists(st.integers(-1, 3) if tied else st.integers(-12, 30), min_size=3 * tied, max_size=6))
    spine = {
        name: pl.Series([draw(st.sampled_from([*values, *values, None])) for _ in asks], dtype=dtype)
        for name, (dtype, values) in keys.items()
    }
    spine["t"] = instants(draw(st.sampled_from([time * unit] * 9 + [None])) for time in asks)
    if draw(st.sampled_from([False, False, True])):
        later = [draw(st.sampled_from([-3, 0, 1, 2, 4, 20, 60])) for _ in asks]
        known = [(time + by) * unit for time, by in zip(asks, later, strict=True)]
        spine["known"] = instants(draw(st.sampled_from([at] * 9 + [None])) for at in known)
    widened = [
        WindowQuestion(
            name=q.name, op=q.op, column=q.column, n=q.n, q=q.q,
            window_us=None if q.window_us is None else q.window_us * unit, offset_us=q.offset_us * unit,
        )
        for q in questions(draw)
    ]  # fmt: skip
    hop, ttl = draw(st.sampled_from([None, 2, 5])), draw(st.sampled_from([None, 0, 3, 8]))
    return Case(
        rows=pl.DataFrame(rows),
        spine=pl.DataFrame(spine),
        keys=list(keys),
        windows=widened,
        states=[StateQuestion(name=f"{c}{fill}", column=c, fill_last=fill) for c in INPUTS for fill in (False, True)],
        closed=draw(st.sampled_from(["left", "left", "right", "both", "none"])),
        hop_us=None if hop is None else hop * unit,
        ttl_us=None if ttl is None else ttl * unit,
    )
