"""Rows that an online store had after a push and has not any more."""

from __future__ import annotations

from datetime import datetime

from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import PushRecord


def rows_lost(view: FeatureView, last: PushRecord, there: int | None, clock: datetime | None) -> int:
    """Return how many rows of the last push are gone that the store was to keep; 0 where nobody can say.

    `there` is how many there are, None where they were not counted. Rows of a view with a `retention` may go when their
    time is over: those of an event view at any time, for it is not known which were written when; those of a state view
    not before `kept_until` by the real `clock` (None: what that is does not count), for they are written again in time.
    """
    if there is None:
        return 0
    if last.kept_until is not None and (view.kind == "event" or clock is None or last.kept_until <= clock):
        return 0
    return max(last.entities - there, 0)
