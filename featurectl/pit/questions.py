"""What can be asked of a table of rows at a set of instants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVENT_TIME = "event_time"
AVAILABLE_AT = "available_at"
DEDUP = "_dedup"  # a hash of the columns that name an event; no column of a definition begins with an underscore
TIE_ORDER = "tie_order"  # rows of one key, event time and availability are ordered by this column
TIE = "tie_{}"  # and by these before it, from tie_0 on, where a source declares a `tiebreak`

Closed = Literal["left", "right", "both", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowQuestion:
    """An aggregate over the rows with t - offset - window <= event_time < t - offset that are available at t.

    `column` None counts rows; `window_us` None is lifetime. `n` belongs to first_n, last_n and top_k, `q`
    (0..1) to percentile. `closed` and `hop_us` are the view's.
    """

    name: str
    op: str
    column: str | None
    window_us: int | None
    offset_us: int = 0
    n: int | None = None
    q: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateQuestion:
    """The value of `column` in the latest row at t; `fill_last`: of the latest row where it is not null."""

    name: str
    column: str
    fill_last: bool = False


ALWAYS_US = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z: event_time and available_at of a static source's rows
