"""How old sources and views are, against what they promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from featurectl.spec.definition import Freshness

Verdict = Literal["OK", "WARN", "STALE", "ERROR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessRow:
    """One source or view: its newest event, its age, the verdict, and what stands behind it.

    `age_us` is None where there is no clock (static sources) or nothing could be seen (`error` says why);
    `over_us` is how far the age is past the bound that it broke. `note` says what else there is to know of a row:
    why something that belongs to it is not shown.
    """

    kind: Literal["view", "source"]
    name: str
    verdict: Verdict
    freshness: Freshness | None = None
    last_event: datetime | None = None
    age_us: int | None = None
    over_us: int = 0
    version: int | None = None
    rows: int | None = None
    online_keys: int | None = None
    computed_at: datetime | None = None
    error: str = ""
    note: str = ""


def judge_age(age_us: int | None, freshness: Freshness | None) -> tuple[Verdict, int]:
    """Return the verdict on an age, and by how much it is past the bound that it broke; a bound itself still holds.

    >>> judge_age(5, Freshness(warn_after_us=5, error_after_us=9))
    ('OK', 0)
    >>> judge_age(12, Freshness(warn_after_us=5, error_after_us=9))
    ('STALE', 3)
    """
    if age_us is None or freshness is None:
        return "OK", 0
    if freshness.error_after_us is not None and age_us > freshness.error_after_us:
        return "STALE", age_us - freshness.error_after_us
    if freshness.warn_after_us is not None and age_us > freshness.warn_after_us:
        return "WARN", age_us - freshness.warn_after_us
    return "OK", 0


def age_at(now: datetime, newest: datetime | None) -> int | None:
    """Return the microseconds from `newest` to now, None when there is no newest."""
    return None if newest is None else (now - newest) // timedelta(microseconds=1)
