"""The last event until now is looked for in the rows that were known."""

from datetime import UTC, datetime

import polars as pl
import pytest

from featurectl.monitor import last_event
from featurectl.monitor.last_event import last_event_until
from featurectl.offline.base import TableStatistics


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


class Table:
    """Rows of event time and availability, in blocks of two."""

    rows = ((9, 1), (2, 1), (5, 7), (3, 4), (8, 2))

    def version(self):
        return 3

    def statistics(self):
        return TableStatistics(rows=len(self.rows), size_bytes=0, files=1)

    def blocks(self, version, rows, columns):
        assert (version, columns) == (3, ["event_time", "available_at"])
        frame = pl.DataFrame([[day(number) for number in row] for row in self.rows], schema=columns, orient="row")
        return frame.iter_slices(min(rows, 2))


@pytest.mark.parametrize(
    ("now", "known", "last"), [(6, 7, 5), (6, 6, 3), (6, 3, 2), (4, 7, 3), (1, 7, None), (30, 30, 9)]
)
def test_the_last_event_is_of_what_had_happened_and_was_known(now, known, last):
    found = last_event_until(Table(), day(now), day(known))
    assert found == (None if last is None else day(last))


def test_the_last_event_of_a_huge_table_is_not_looked_for(monkeypatch):
    monkeypatch.setattr(last_event, "_MOST", 4)
    assert last_event_until(Table(), day(6), day(7)) is None
