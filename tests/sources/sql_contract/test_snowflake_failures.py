"""Snowflake that fails while it gives rows: answers that are cut, a server that ends, one that takes long."""

from __future__ import annotations

import random
import threading
import time

import pytest

from featurectl.core.errors import DataError, StoreError
from tests.servers.cutting import cutting_proxy
from tests.servers.snowflake import running_snowflake, snowflake_url
from tests.sources.sql_contract.kinds import SNOWFLAKE, Database

pytestmark = pytest.mark.guests
ROW_COUNT = 30_000
ROWS = f"select i, rpad('row ' || i, 100) as name from (select seq4() + 1 as i from table(generator(rowcount => {ROW_COUNT}))) order by i"  # noqa: E501
LIMIT_S = 60  # what breaks it hangs


@pytest.fixture
def proxy(snowflake_server):
    """A proxy before the server."""
    with cutting_proxy(snowflake_server.port) as made:
        yield made


@pytest.fixture
def database(tmp_path, monkeypatch, proxy):
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05, 0.05))
    return Database(SNOWFLAKE, tmp_path, snowflake_url(proxy.port), monkeypatch)


def check_rows(frame) -> None:
    assert frame["i"].to_list() == list(range(1, ROW_COUNT + 1))
    assert frame["name"][-1] == f"row {ROW_COUNT}".ljust(100)


def wait_for(what) -> None:
    end = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_answer_that_is_cut_once_gives_each_row_once(database, proxy):
    proxy.longest, proxy.to_cut = 200_000, 1
    check_rows(database.read(ROWS))
    assert proxy.cuts == 1


def test_an_answer_that_is_cut_each_time_is_an_error(database, proxy):
    proxy.longest, proxy.to_cut = 200_000, 1_000
    begin = time.monotonic()
    with pytest.raises(StoreError, match="source orders: snowflake://acct/shop/public can't be read: ") as caught:
        database.read(ROWS)
    assert time.monotonic() - begin < LIMIT_S
    assert caught.value.code == "FC605"
    proxy.to_cut = 0
    check_rows(database.read(ROWS))


@pytest.mark.stress
def test_thirty_cuts_at_any_moment_lose_and_repeat_no_row(database, proxy, monkeypatch):
    moments, codes = random.Random(3), []
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05,) * 5)
    for _ in range(30):
        timer = threading.Timer(moments.random() * 0.5, proxy.cut)
        timer.start()
        try:
            check_rows(database.read(ROWS))
            codes.append("")
        except StoreError as error:
            codes.append(error.code)
        timer.join()
    assert set(codes) <= {"", "FC605"}
    assert codes.count("") > 20


def test_a_query_that_takes_long_is_waited_for_where_others_are_answered(database, proxy, monkeypatch):
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.05)
    proxy.held, proxy.hold_s = 200_000, 0.5
    check_rows(database.read(ROWS))


def test_a_server_that_ends_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05, 0.05))
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.5)
    endless = "select count(*) as n from range(10000000) a(i), range(10000000) b(j) where i * j % 7 = 3"
    with running_snowflake() as server:
        database = Database(SNOWFLAKE, tmp_path, server.url(), monkeypatch)
        threading.Timer(1.0, server.end).start()
        begin = time.monotonic()
        with pytest.raises(StoreError, match="can't be read: ") as caught:
            database.read(endless)
        assert time.monotonic() - begin < LIMIT_S
    assert caught.value.code == "FC605"


def test_no_thread_is_left(database):
    check_rows(database.read(ROWS))
    before = threading.active_count()
    check_rows(database.read(ROWS))
    with pytest.raises(DataError, match="its query fails"):
        database.read("select cast('x' as int) as a")
    wait_for(lambda: threading.active_count() <= before)
