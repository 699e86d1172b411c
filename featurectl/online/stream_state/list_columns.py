"""What many lists say, by feature: values that go into columns as they are where no list is unusual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, cast

from featurectl.online.stream_state.known_answers import ReadValues

_read = cast("Callable[[tuple[object, ...]], ReadValues]", partial(tuple.__new__, ReadValues))


class ListColumns(NamedTuple):
    """The values of each feature as MessagePack has them, and of each list the instants of its `ReadValues`.

    `nulls` are the places of features of which a list has none. `is_whole`: each list was read, and has an event;
    else those that `is_read` does not have are to be read by others.
    """

    values: list[list[object]]
    nulls: Sequence[int]
    event_us: Sequence[int | None]
    asof_us: Sequence[int]
    until_us: Sequence[int]
    is_read: Sequence[bool]
    is_whole: bool

    def rows_at(self, places: Sequence[int]) -> list[ReadValues]:
        """Return what the lists at some places say, which were read."""
        values = zip(*[[column[place] for place in places] for column in self.values], strict=True)
        return [
            _read(([*of], self.event_us[place], self.asof_us[place], self.until_us[place]))
            for place, of in zip(places, values, strict=True)
        ]

    def rows(self) -> list[ReadValues | None]:
        """Return what each list says; None of one that others have to read."""
        values = zip(*self.values, strict=True)
        lists = zip(values, self.is_read, self.event_us, self.asof_us, self.until_us, strict=True)
        return [
            _read(([*of], event_us, at_us, until_us)) if is_read else None
            for of, is_read, event_us, at_us, until_us in lists
        ]
