"""What is asked of a reader of features, and its answer: a column for each feature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from featurectl.core.units import instant_us
from featurectl.online.client.read_view import ReadView
from featurectl.online.read import Status

if TYPE_CHECKING:
    from featurectl.online.stream_state.known_instants import RowInstant


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRows:
    """What is asked: `count` rows with their key columns, as of an instant.

    Where that is a clock's, which may be behind that of who pushed, what is of no later than `latest` counts.
    `instants` are those of rows that each ask as of their own: of views of streams as far as these are known by then,
    of others as of `time_us`.
    """

    keys: Mapping[str, Sequence[object]]
    count: int
    now: datetime
    latest: datetime | None = None
    instants: Sequence[RowInstant] | None = None


class FeatureColumn(NamedTuple):
    """One feature of all rows: values, why each is what it is, and the instants behind them (microseconds).

    Columns of one view share lists where these are equal: they are not to be changed.
    """

    source: ReadView
    values: Sequence[object]
    statuses: Sequence[Status]
    defaulted: Sequence[bool]
    event_us: Sequence[int | None]
    computed_us: Sequence[int | None]


def are_present(columns: Iterable[FeatureColumn]) -> bool:
    """Return whether every value of some columns is PRESENT, and none by default; lists that they share are one."""
    shared_statuses: Sequence[Status] | None = None
    shared_defaulted: Sequence[bool] | None = None
    for _, _, statuses, defaulted, _, _ in columns:
        if statuses is not shared_statuses:
            if statuses.count("PRESENT") != len(statuses):
                return False
            shared_statuses = statuses
        if defaulted is not shared_defaulted:
            if any(defaulted):
                return False
            shared_defaulted = defaulted
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureColumns:
    """The features asked for, by name in the order of asking, and the moment of reading (as `KeyRows`).

    `is_present` says that every feature of every row is PRESENT, and none by default; False leaves that open.
    `instants` are those of which each row was answered, where rows had their own.
    """

    columns: Mapping[str, FeatureColumn]
    count: int
    now: datetime
    latest: datetime | None = None
    is_present: bool = False
    instants: Sequence[RowInstant] | None = None

    def values(self) -> dict[str, Sequence[object]]:
        """Return the values alone."""
        return {name: column.values for name, column in self.columns.items()}

    def later_rows(self, name: str) -> list[int]:
        """Return the rows of which the store has a feature only as of later than the moment of reading.

        What an entity had then is not known: the store keeps the newest values alone. Of an event view that was pushed
        later, that holds for entities without a row, too.
        """
        column = self.columns[name]
        if "NOT_FOUND" not in column.statuses or column.source.view.source.static:
            return []
        latest_us = instant_us(self.now if self.latest is None else max(self.now, self.latest))
        of_stream = column.source.view.source.is_stream  # of which `computed_us` is the `asof` of each answer
        of_state = column.source.view.kind == "state" and not of_stream
        behind = zip(column.statuses, column.event_us, column.computed_us, strict=True)
        return [
            row
            for row, (status, event, computed) in enumerate(behind)
            if (status, event) == ("NOT_FOUND", None) and computed is not None and (of_state or computed > latest_us)
        ]
