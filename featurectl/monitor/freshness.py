"""How old sources and views are, against what they promise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.view import FeatureView

Verdict = Literal["OK", "WARN", "STALE", "ERROR"]
_GRAVITY: Final[tuple[Verdict, ...]] = get_args(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessRow:
    """One source or view: its newest event, its age, the verdict, and what stands behind it.

    A feature that has an SLA of its own has a row, too (`name` is "view:feature"): the clocks are those of its view.

    Three clocks: `last_event`, the newest event that does not lie ahead of now; `last_available`, the newest
    availability, whose age `age_us` is the one that is judged; `computed_at`. `age_us` is None where there is no clock
    (static sources) or nothing could be seen (`error` says why); `over_us` is how far the age is past the bound that it
    broke. `entities` counts the entities of a state view that were served then, `stale_entities` those of them whose
    values are too old (None: not counted). `lost` rows of the last push are not in the online store any more.
    `late_rows` came too late for the table; `changed_parts` are those of which it has rows that were changed or are
    gone since. `future`: it was computed as of an instant that has not come. `failed_run` says of a view what has
    failed since a run was done last.
    `note` says what else there is to know of a row: why something that belongs to it is not shown.
    """

    kind: Literal["view", "source", "feature"]
    name: str
    verdict: Verdict
    freshness: Freshness | None = None
    last_event: datetime | None = None
    last_available: datetime | None = None
    age_us: int | None = None
    over_us: int = 0
    version: int | None = None
    rows: int | None = None
    online_keys: int | None = None
    computed_at: datetime | None = None
    entities: int | None = None
    stale_entities: int | None = None
    lost: int = 0
    late_rows: int = 0
    changed_parts: tuple[str, ...] = ()
    future: bool = False
    failed_run: str = ""
    error: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """The object as people write it: a view with its version."""
        view, _, feature = self.name.partition(":")
        return self.name if self.version is None else f"{view}@{self.version}" + (f":{feature}" if feature else "")

    @property
    def stale_share(self) -> float | None:
        """The share of the entities that are stale; None where they were not counted, or there are none."""
        return self.stale_entities / self.entities if self.entities and self.stale_entities is not None else None


def rows_of_features(row: FreshnessRow, view: FeatureView) -> list[FreshnessRow]:
    """Return a row for each feature of a view that has an SLA of its own; none where the view can't be judged."""
    return [] if row.verdict == "ERROR" else [_of_feature(row, name, sla) for name, sla in view.own_freshness.items()]


def with_worst_sla(row: FreshnessRow, view: FeatureView) -> FreshnessRow:
    """Return the row of a view judged by the SLA that its age breaks most gravely: its own, or one of a feature."""
    rows = [row, *rows_of_features(row, view)]
    worst = max(rows, key=lambda r: (_GRAVITY.index(r.verdict), r.over_us))
    if worst is row or worst.verdict == "OK":
        return row
    return replace(row, verdict=worst.verdict, over_us=worst.over_us, freshness=worst.freshness)


def _of_feature(row: FreshnessRow, feature: str, freshness: Freshness) -> FreshnessRow:
    verdict, over_us = judge_age(row.age_us, freshness)
    return FreshnessRow(
        kind="feature",
        name=f"{row.name}:{feature}",
        verdict=verdict,
        freshness=freshness,
        last_event=row.last_event,
        last_available=row.last_available,
        age_us=row.age_us,
        over_us=over_us,
        version=row.version,
        computed_at=row.computed_at,
    )


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
