"""The clock of a store whose answers say the second alone."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from featurectl.online.all_stores import open_online
from featurectl.online.base import Writing
from tests.online.rows import frame, view

HOUR = timedelta(hours=1)


def shift(store, by: timedelta) -> None:
    """Let the answers of the server be of another time."""

    def say(parsed, **_):
        at = datetime.now(UTC) + by
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(at.replace(microsecond=0), usegmt=True)

    store.bytes.link._opened().meta.events.register("after-call.dynamodb", say)  # noqa: SLF001  # disturbs single requests


@pytest.mark.parametrize("by", [timedelta(0), HOUR, -HOUR, timedelta(days=400)])
@pytest.mark.sample(1)
def test_it_is_that_of_the_server_to_about_a_second(dynamodb_url, by):
    with closing(open_online(dynamodb_url)) as store:
        shift(store, by)
        first, second = store.clock(), store.clock()
        assert abs(first - datetime.now(UTC) - by) < timedelta(seconds=3)
        assert first <= second + timedelta(seconds=3)


@pytest.mark.long
def test_rows_are_let_go_by_the_clock_of_the_server(dynamodb_url):
    of = view({"n": "int64"})
    until = datetime.now(UTC) + HOUR
    with closing(open_online(dynamodb_url)) as store, closing(open_online(dynamodb_url)) as later:
        store.write_all(of, [frame(of, [["a"]], [[1]])], Writing(kept_until=until))
        shift(later, 2 * HOUR)
        later.clock()
        assert [row is not None for row in store.read(of, [["a"]]) + later.read(of, [["a"]])] == [True, False]
        assert (store.count_rows(of), later.count_rows(of), later.count(of)) == (1, 0, 1)
        assert [pair for page in later.walk(of) for pair in page] == []
        assert later.write(of, frame(of, [["a"]], [[2]], event_time=datetime(2020, 1, 1, tzinfo=UTC))) == 1
        assert store.read(of, [["a"]])[0].values == {"n": 2}  # what was let go is newer than nothing
