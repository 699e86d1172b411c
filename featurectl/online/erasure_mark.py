"""Which erasures an online store has heard of, by a mark in it: a registry that knows fewer was restored.

The mark lies where a view has the record of its last push, under a name that no view has. It does not say that the
store is clean of them: records of pushes and marks of lists do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from featurectl.core.erasures import Erasures
from featurectl.core.units import from_us
from featurectl.online.base import OnlineStore, OnlineView, PushRecord
from featurectl.online.corrupt_rows import BrokenRecordError

_NAME: Final = "erasures:heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardErasures:
    """The number of the newest erasure that a store has heard of, and of how many keys there were some by then."""

    number: int = 0
    keys: int = 0

    def unknown_to(self, erasures: Erasures) -> int:
        """Return of how many erased keys a registry does not know, one at least where it does not know the newest."""
        is_known = not self.number or any(item.number == self.number for item in erasures.tombstones)
        return max(self.keys - erased_keys(erasures), 0 if is_known else 1)


def erased_keys(erasures: Erasures) -> int:
    """Return how many keys were erased, each once however often."""
    return len({(item.entity, item.keys, item.digest) for item in erasures.tombstones})


def read_heard(store: OnlineStore, project: str, env: str) -> HeardErasures:
    """Return what an environment's store has heard of; nothing where that is not known.

    Raises:
        StoreError: the store fails.
    """
    try:
        record = store.read_push_record(_mark(project, env))
    except BrokenRecordError:
        record = None
    return HeardErasures() if record is None else HeardErasures(number=record.erased, keys=record.entities)


def hear_of(store: OnlineStore, project: str, env: str, known: Callable[[int], Erasures]) -> int:
    """Have a store know of all that was erased; return of how many keys a registry that was restored does not know.

    `known` gives what the registry knows, up to a number at least: another erasure may be under way. Unless it knows of
    as many as the store does the mark stays: each is to be erased once more.

    Raises:
        StoreError: the registry or the store fails.
    """
    heard = read_heard(store, project, env)
    erasures = known(heard.number)
    keys = erased_keys(erasures)
    if keys < heard.keys:
        return heard.keys - keys
    if erasures.number > heard.number or heard.unknown_to(erasures):
        at = from_us(max(erasures.number, heard.number))  # of a clock that was set back, too: it is to be the newer one
        record = PushRecord(
            computed_at=at, watermark=None, newest_event=None, table_version=0, entities=keys, erased=erasures.number
        )
        store.write_push_record(_mark(project, env), record)
    return 0


def _mark(project: str, env: str) -> OnlineView:
    return OnlineView(project=project, env=env, view=_NAME, version=0, keys={}, features={})
