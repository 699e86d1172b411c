"""Lists become answers: the same statuses, defaults and derived features as of rows that a push has written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from featurectl.core.units import from_us, instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names
from featurectl.online.base import OnlineRow, OnlineView
from featurectl.online.decode.values import decoder
from featurectl.online.read import Answer, ViewReader
from featurectl.online.row_places import filled_within_ttl
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.joined_lists import OpenedList, open_lists
from featurectl.online.stream_state.joined_names import without_copies
from featurectl.online.stream_state.joined_values import JoinedReader, ReadValues
from featurectl.online.stream_state.known_instants import RowInstant
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.list_values import ListAnswer, ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.unread_views import new_features

_MANY: Final = 8  # fewer lists take less time one by one


class StreamViewReader:
    """Answers a view of a stream from lists of one layout.

    An answer is true as of the register's `asof` or that of the list's head, whichever is later; ages count to the
    moment of reading. `lacking` are the features, by the names that they are stored under, that the lists were made
    without: those that were applied since, and what is derived of them. Nobody may be answered those.
    """

    def __init__(self, view: FeatureView, online: OnlineView, layout: ListLayout) -> None:
        self._view, self._online, self._layout = view, online, layout
        keeps_nan = view.source.nan == "keep"
        self._lists = ListReader(view.features, layout, keeps_nan=keeps_nan)
        self.lacking = _lacking(view, layout)
        self._has_all = not self.lacking
        self._is_plain = self._has_all and not filled_within_ttl(view)
        self._joined = None
        if self._is_plain and JoinedReader.knows(view.features, layout):
            self._joined = JoinedReader(view.features, layout, keeps_nan=keeps_nan)
        self._rows = ViewReader(view, online)
        self._decoders = {feature.name: decoder(feature.dtype or "string") for feature in view.features}

    def check(self, wanted: Collection[str]) -> None:
        """Check that the lists have some features, named as they are stored.

        Raises:
            DataError: FC550, they were made without.
        """
        if self.lacking and (lacking := [name for name in self.lacking if name in wanted]):
            shown = current_names(self._view)
            field = f"{self._online.view}@{self._online.version}"
            raise new_features(field, [shown[name] for name in lacking], self._view.source.name)

    def answer(
        self, found: EntityList, asof_us: int, now: datetime | None = None, asked: datetime | None = None
    ) -> Answer:
        """Return what a list says; `asof_us` was read before it. It is read at `now`, by default as of its `asof`.

        With `asked` as of that instant where it is earlier, or nothing where the list does not know what was then.

        Raises:
            StoreError: the list holds what no worker has written.
            DataError: FC507, a sum is outside of its type.
        """
        parsed = parse_list(found.elements, self._layout, found.marks)
        latest_us = at_us = max(asof_us, parsed.head.asof_us)
        if asked is not None and (asked_us := instant_us(asked)) < latest_us:
            if asked_us < (parsed.head.asof_us or asof_us) - self._layout.past_us:
                return self._later(from_us(latest_us), asked, now)
            at_us = asked_us
        at = from_us(at_us)
        row = self._row(self._lists.answer(parsed, at_us), at)
        return replace(self._rows.answer(row, at, pushed=at, latest=at), read_at=now or at)

    def answers(self, found: Sequence[EntityList | None], asof_us: int, now: datetime) -> list[Answer | None]:
        """Return what some lists say; None for one that can't be read now."""
        return [None if each is None else self.answer(each, asof_us, now) for each in found]

    @property
    def joins(self) -> bool:
        """Whether many lists take less time at once than each alone."""
        return self._joined is not None

    def values_of_many(self, found: Sequence[EntityList | None], asof_us: int) -> list[ReadValues | None]:
        """Return what `values` does of each list; None, too, where `values` has to be asked."""
        read: list[ReadValues | None] = [None] * len(found)
        if self._joined is None or len(found) < _MANY:
            return read
        known = [(i, one) for i, one in enumerate(self._opened(found)) if one is not None]
        answers = self._joined.answers([one for _, one in known], asof_us)
        return _placed(read, [i for i, _ in known], answers)

    def values(self, found: EntityList, asof_us: int) -> ReadValues | None:
        """Return the values of features.

        None where `answer` has to be asked: of an entity without events, of features that the lists do not have, or
        whose values may be older than the ttl alone.
        """
        if not self._is_plain:
            return None
        parsed = parse_list(found.elements, self._layout, found.marks)
        at_us = max(asof_us, parsed.head.asof_us)
        values, event_us, *_ = self._lists.answer(parsed, at_us)
        if values is None or event_us is None or len(values) != len(self._decoders):  # or with instants of fills
            return None
        return ReadValues([*values.values()], event_us, at_us)

    def answers_at(
        self, found: EntityList, asof_us: int, instants: Sequence[RowInstant]
    ) -> list[ReadValues | Answer | None]:
        """Return what a list says at some instants, which `asof_us` is not before; None where it does not know it.

        As values where these are all there is to say, as of `values`.

        Raises:
            DataError, StoreError: as `answer`.
        """
        parsed = parse_list(found.elements, self._layout, found.marks)
        if not parsed.head.asof_us:
            parsed = parsed._replace(head=parsed.head._replace(asof_us=asof_us))
        read = zip(instants, self._lists.answers(parsed, instants), strict=True)
        return [None if answer is None else self._at(at, answer) for at, answer in read]

    def values_of_many_at(
        self, found: Sequence[EntityList | None], asof_us: int, instants: Sequence[RowInstant]
    ) -> list[ReadValues | None]:
        """Return what lists say at an instant each, as `answers_at` does; None, too, where that has to be asked."""
        read: list[ReadValues | None] = [None] * len(found)
        if self._joined is None or len(found) < _MANY:
            return read
        known: list[tuple[int, OpenedList]] = []
        for i, (opened, at) in enumerate(zip(self._opened(found), instants, strict=True)):
            if opened is not None and self._joined.knows_at(opened, asof_us, at):
                known.append((i, opened))
        answers = self._joined.answers_at([one for _, one in known], [instants[i] for i, _ in known])
        return _placed(read, [i for i, _ in known], answers)

    def _opened(self, found: Sequence[EntityList | None]) -> list[OpenedList | None]:
        layout = self._layout
        return without_copies(open_lists(found, layout), layout)

    def _at(self, at: RowInstant, found: ListAnswer) -> ReadValues | Answer:
        values, event_us, *_ = found
        if self._is_plain and values is not None and event_us is not None and len(values) == len(self._decoders):
            return ReadValues([*values.values()], event_us, at.time_us)
        time, known = from_us(at.time_us), from_us(at.known_us)
        answer = self._rows.answer(self._row(found, time), time, pushed=time, latest=known)
        return replace(answer, computed_at=known, read_at=known)

    def unknown_at(self, at: RowInstant) -> Answer:
        """Return what is known of an entity whose key has a null, at an instant."""
        time, known = from_us(at.time_us), from_us(at.known_us)
        answer = self._rows.answer(None, time, pushed=time, null_key=True, latest=known)
        return replace(answer, computed_at=known, read_at=known)

    def unknown(self, asof_us: int, now: datetime | None = None, asked: datetime | None = None) -> Answer:
        """Return what is known of an entity whose key has a null."""
        at = from_us(asof_us)
        if asked is not None and asked < at:
            return self._later(at, asked, now)
        return replace(self._rows.answer(None, at, pushed=at, null_key=True, latest=at), read_at=now or at)

    def _later(self, asof: datetime, asked: datetime, now: datetime | None) -> Answer:
        """Return what is known of an instant of which the lists say nothing any more."""
        answer = self._rows.answer(None, asked, pushed=asof, null_key=True, latest=asked)
        return replace(answer, read_at=now or asked)

    def _row(self, found: ListAnswer, at: datetime) -> OnlineRow | None:
        """Return what a list says as a row that was computed at an instant; None where there is nothing."""
        is_empty = found.event_us is None and self._layout.kind == "event" and not found.is_folded
        if found.values is None or (is_empty and self._has_all):
            return None  # where lists lack a feature, no row would say 0 of it
        return OnlineRow(
            event_time=None if found.event_us is None else from_us(found.event_us),
            available_at=None if found.available_us is None else from_us(found.available_us),
            computed_at=at,
            values={
                name: value if value is None else self._decoders[name](value) for name, value in found.values.items()
            },
        )


def _placed(
    read: list[ReadValues | None], places: Sequence[int], answers: Sequence[ReadValues] | None
) -> list[ReadValues | None]:
    """Put the answers of lists that have an event into their places; None where they could not be read together."""
    for place, answer in zip(places, answers or (), strict=answers is not None):
        read[place] = None if answer.event_us is None else answer
    return read


def _lacking(view: FeatureView, layout: ListLayout) -> tuple[str, ...]:
    """Return the features of a view that lists of a layout can't answer, and the derived ones that need any of them."""
    found = dict.fromkeys(feature.name for feature in view.features if not layout.has(feature))
    for item in view.derived if found else ():
        assert item.expression.tree is not None, f"untyped derived feature {item.name}"
        if not found.keys().isdisjoint(item.expression.tree.columns()):
            found[item.name] = None
    return tuple(found)
