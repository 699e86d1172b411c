"""The last push of each view version, known for a while: a reader asks for it once a second, not once a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from featurectl.online.base import PushRecord
from featurectl.online.client.pushed_versions import Pushed
from featurectl.online.client.read_view import ReadView
from featurectl.online.client.stream_asof import stream_record
from featurectl.online.codec import unpack_record
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.future_pushes import how_far_ahead, latest_at

KEPT_S: Final = 1.0
PushKey = tuple[str, str, str]  # project, environment, view@version


class Pushes:
    """Push records by view version, each with the second at which it was read (of a clock that only goes forward).

    A record read before a row may be older than the row's push: what it says stays true, of an earlier instant. One
    that is broken is read again by whoever needs it, and is reported.
    """

    def __init__(self) -> None:
        self._records: dict[PushKey, PushRecord | None] = {}
        self._read_s: dict[PushKey, float] = {}
        self._broken: dict[PushKey, BrokenRecordError] = {}
        self._asof_us: dict[PushKey, int] = {}  # of views of streams, which nothing pushes

    def due(self, views: Iterable[ReadView], at_s: float, kept_s: float = KEPT_S) -> list[ReadView]:
        """Return the views whose record is older than `kept_s` and has to be read again."""
        read_s, since = self._read_s.get, at_s - kept_s
        return [view for view in views if read_s(view.place, since) <= since]

    def learn(self, views: Sequence[ReadView], records: Sequence[bytes | None], at_s: float) -> None:
        """Take the records of some views.

        Raises:
            BrokenRecordError: one is none.
        """
        for view, data in zip(views, records, strict=True):
            self._take(view.place, unpack_record(data, view.field) if data else None, at_s)

    def take(self, project: str, env: str, records: Pushed, at_s: float) -> None:
        """Take the records of some view versions."""
        for (name, version), record in records.items():
            place = (project, env, f"{name}@{version}")
            if isinstance(record, BrokenRecordError):
                self._broken[place] = record
                self._records.pop(place, None)
                self._read_s.pop(place, None)
            else:
                self._take(place, record, at_s)

    def _take(self, place: PushKey, record: PushRecord | None, at_s: float) -> None:
        self._records[place] = record
        self._asof_us.pop(place, None)
        self._read_s[place] = at_s
        self._broken.pop(place, None)

    def take_asofs(self, asofs: Iterable[tuple[ReadView, int]]) -> None:
        """Take the instants up to which all events are in views of streams: what pushes say of other views."""
        for view, asof_us in asofs:
            self._asof_us[view.place] = asof_us

    def record(self, view: ReadView) -> PushRecord | None:
        """Return the last push of a view that is known; None: there was none, or nobody asked.

        A view of a stream is as if it had been pushed at the `asof` that was read last.
        """
        asof_us = self._asof_us.get(view.place)
        if asof_us is not None:
            return stream_record(asof_us)
        return self._records.get(view.place)

    def broken(self, view: ReadView) -> BrokenRecordError | None:
        """Return what is to say of a view whose record is none."""
        return self._broken.get(view.place)

    def instants(self, views: Iterable[ReadView]) -> dict[str, datetime | None]:
        """Return when each view was pushed last, by `view@version`."""
        get = self._records.get
        return {view.field: record.computed_at if (record := get(view.place)) else None for view in views}


def pushed_ahead(pushes: Pushes, views: Iterable[ReadView], clock: datetime) -> dict[str, str]:
    """Return which views, by `view@version`, were pushed as of an instant that a clock has not reached, in words."""
    found = {}
    for view in _pushed(views):
        if far := far_ahead(pushes.record(view), latest_at(clock)):
            found[view.field] = f"view {view.field} was pushed as of {far}: {hint_when_ahead(view)}"
    return found


def pushed_later(pushes: Pushes, views: Iterable[ReadView], now: datetime) -> dict[str, str]:
    """Return which views, by `view@version`, were pushed as of later than the now that a server was given, in words."""
    found = {}
    for view in _pushed(views):
        record = pushes.record(view)
        if far := how_far_ahead(record.computed_at, latest_at(now), "this server's now") if record else "":
            again = "a server reads `now:` as it starts: start it again"
            found[view.field] = f"view {view.field} was pushed as of {far}, so that it finds no such value: {again}"
    return found


def _pushed(views: Iterable[ReadView]) -> Iterator[ReadView]:
    """Give the views that are pushed: the instants of streams are by the clock of their store."""
    return (view for view in views if not view.view.source.is_stream)


def far_ahead(record: PushRecord | None, latest: datetime) -> str:
    """Return how far after a server's clock a view was pushed, in words; "" where it is not later than `latest`."""
    return how_far_ahead(record.computed_at, latest, "this server's clock") if record else ""


def hint_when_ahead(view: ReadView) -> str:
    """Return what mends a view that was pushed as of later than a server's clock."""
    return f"set that clock right, or where it is right: featurectl push --full {view.online.view}"
