"""Up to which erasure the lists of a view of a stream are clean, as the online store says.

The mark lies where a view has the record of its last push, under a name that no view has. A store that was restored
from before an erasure has the mark of then, or none: readers leave out what is erased until it is clean again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from featurectl.online.base import OnlineStore, OnlineView, PushRecord
from featurectl.online.corrupt_rows import BrokenRecordError


def marked_lists(view: OnlineView) -> OnlineView:
    """Return under which name the mark of a view's lists lies."""
    return replace(view, view=f"lists:{view.view}")


def rebuilt_lists(view: OnlineView) -> OnlineView:
    """Return under which name it lies that a rebuild of a view's lists goes on."""
    return replace(view, view=f"rebuild:{view.view}")


def forget_lists(store: OnlineStore, view: OnlineView) -> None:
    """Remove what is said of the lists of a view that is gone.

    Raises:
        StoreError: the store fails.
    """
    for place in (marked_lists(view), rebuilt_lists(view)):
        try:
            is_there = store.read_push_record(place) is not None
        except BrokenRecordError:
            is_there = True
        if is_there:
            store.remove_record(place)


def read_list_mark(store: OnlineStore, view: OnlineView) -> int:
    """Return the number of the newest erasure of which nothing is in the lists of a view, 0 where that is not known.

    Raises:
        StoreError: the store fails.
    """
    try:
        record = store.read_push_record(marked_lists(view))
    except BrokenRecordError:
        return 0
    return 0 if record is None else record.erased


def write_list_mark(store: OnlineStore, view: OnlineView, number: int, now: datetime) -> bool:
    """Say that the lists of a view are clean of all erasures up to a number, as was found at an instant.

    Returns whether that was not said before.

    Raises:
        StoreError: the store fails.
    """
    if read_list_mark(store, view) >= number:
        return False
    record = PushRecord(computed_at=now, watermark=None, newest_event=None, table_version=0, entities=0, erased=number)
    store.write_push_record(marked_lists(view), record)
    return True
