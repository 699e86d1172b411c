"""A database that fails while it gives rows: cut, killed, silent, closed, or asked by somebody who ends it."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.sources.sql import kept_rows, postgres_arrow
from tests.servers.pausing import hanging
from tests.sources.sql_contract.kinds import ARROW, MARIADB, MARKS, ROWS, URLS, Database
from tests.sources.sql_contract.served import ROW_COUNT, WIDE, asked, cut, own_server, served, wrong_password

# SQLAlchemy does not close a cursor whose connection is gone.
pytestmark = pytest.mark.filterwarnings(r"ignore:<psycopg\.ServerCursor:ResourceWarning")
LIMIT_S = 60  # what breaks it hangs


@pytest.fixture(params=[pytest.param(kind, marks=MARKS.get(kind, [])) for kind in (ARROW, ROWS, MARIADB)])
def database(request, tmp_path, monkeypatch):
    url = request.getfixturevalue(URLS.get(request.param, "postgres_url"))
    made = Database(request.param, tmp_path, url, monkeypatch)
    made.watch()
    monkeypatch.setattr(kept_rows, "HELD_BYTES", 1_000_000)
    monkeypatch.setattr(postgres_arrow, "BATCH_BYTES", 200_000)
    monkeypatch.setattr("featurectl.sources.sql.by_rows.CHUNK_ROWS", 500)
    monkeypatch.setattr("featurectl.sources.sql.by_sqlalchemy.CHUNK_ROWS", 500)
    monkeypatch.setattr("featurectl.sources.sql.mysql.CHUNK_ROWS", 500)
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05, 0.05))
    yield made
    gc.collect()


@contextmanager
def at_frame(number: int, then, monkeypatch, times: int = 1):
    """Call a function when so many frames have come, in so many runs of the query."""
    add, seen = kept_rows.KeptRows.add, []

    def added(kept, frame):
        seen.append(kept)
        if sum(each is kept for each in seen) == number and len({id(each) for each in seen}) <= times:
            then()
        add(kept, frame)

    with monkeypatch.context() as patched:
        patched.setattr(kept_rows.KeptRows, "add", added)
        yield


def rows(database: Database, count: int = ROW_COUNT) -> str:
    """Return a query of so many rows."""
    return served(database.kind).rows.format(count)


def check_rows(frame) -> None:
    assert frame["i"].to_list() == list(range(1, ROW_COUNT + 1))
    assert frame["name"][-1] == f"row {ROW_COUNT}".ljust(WIDE)


def test_a_query_that_is_cut_once_gives_each_row_once(database, monkeypatch):
    with at_frame(3, lambda: cut(database.url), monkeypatch):
        check_rows(database.read(rows(database)))
    assert len(database.arrow) == (2 if database.kind == ARROW else 0)


@pytest.mark.long
def test_a_query_that_is_cut_each_time_is_an_error(database, monkeypatch):
    with at_frame(3, lambda: cut(database.url), monkeypatch, times=9), pytest.raises(StoreError) as caught:
        database.read(rows(database))
    assert caught.value.code == "FC605"
    assert caught.value.message.startswith(f"source orders: {database.url.partition(':')[0]}://")
    check_rows(database.read(rows(database)))


@pytest.mark.stress
def test_thirty_cuts_at_any_moment_lose_and_repeat_no_row(database, monkeypatch):
    moments, codes = random.Random(3), []
    with monkeypatch.context() as patched:
        patched.setattr("featurectl.sources.begun_again.RETRY_S", (0.05,) * 5)
        for _ in range(30):
            timer = threading.Timer(moments.random() * 0.4, cut, (database.url,))
            timer.start()
            try:
                check_rows(database.read(rows(database)))
                codes.append("")
            except StoreError as error:  # it was opened just then, and refused
                codes.append(error.code)
            timer.join()
    assert set(codes) <= {"", "FC605"}
    assert codes.count("") > 20


@pytest.mark.stress
def test_a_server_that_crashes_thirty_times_loses_and_repeats_no_row(database, monkeypatch):
    if database.kind == MARIADB:  # whose connections are threads of one process, which nobody starts again
        return
    with own_server(database.kind) as (database.url, _):
        monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (1.0,) * 9)

        def crash() -> None:
            pids = [pid for (pid,) in asked(database.url, served(database.kind).others)]
            os.kill(pids[0], signal.SIGKILL)  # the server ends all others then, and mends its files

        for number in range(30):
            with at_frame(1 + number % 7, crash, monkeypatch):
                check_rows(database.read(rows(database)))


@pytest.mark.long
@pytest.mark.parametrize("frame", [1, 5])
def test_a_server_that_hangs_in_the_middle_is_an_error(database, monkeypatch, frame):
    with ExitStack() as stack, own_server(database.kind) as (database.url, pid):
        monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.3)
        monkeypatch.setattr("featurectl.core.postgres.CONNECT_S", 2)
        query = rows(database, 200_000)  # more than is on its way
        stopped = at_frame(frame, lambda: stack.enter_context(hanging(pid)), monkeypatch)
        begin = time.monotonic()
        with stopped, pytest.raises(StoreError, match=r"source orders: .* no answer within 0\.3 s") as caught:
            database.read(query)
        assert time.monotonic() - begin < LIMIT_S
        stack.close()
        assert caught.value.code == "FC605"
        check_rows(database.read(rows(database)))


@pytest.mark.long
def test_a_server_that_hangs_from_the_start_is_an_error(database, monkeypatch):
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.3)
    monkeypatch.setattr("featurectl.core.postgres.CONNECT_S", 2)
    with own_server(database.kind) as (database.url, pid), hanging(pid):
        begin = time.monotonic()
        with pytest.raises(StoreError, match=r"source orders: .* can't be read: ") as caught:
            database.read(rows(database))
        assert time.monotonic() - begin < LIMIT_S
        assert caught.value.code == "FC605"
        del caught  # it has the connection that is about to be made, which keeps the server from ending
        gc.collect()


@pytest.mark.long
def test_a_query_that_takes_long_is_waited_for_where_others_are_answered(database, monkeypatch):
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.05)
    assert database.read(served(database.kind).sleeps.format(0.4)).rows() == [(1, "")]


def test_an_interrupt_ends_a_query_here_and_in_the_server(database):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    says = served(database.kind)

    def interrupt() -> None:
        wait_for(lambda: asked(database.url, says.asleep) == [(1,)])
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            database.read(says.sleeps.format(120))
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(lambda: asked(database.url, says.asleep) == [(0,)])


def wait_for(what) -> None:
    end = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_thread_is_left_and_no_connection(database):
    before = threading.active_count()
    check_rows(database.read(rows(database)))
    says = served(database.kind)
    with pytest.raises(DataError, match=says.said):
        database.read(says.fails)
    wait_for(lambda: threading.active_count() <= before)  # one of the test before may end meanwhile
    wait_for(lambda: asked(database.url, says.others) == [])


@pytest.mark.long
def test_a_driver_that_is_missing_is_said_with_its_extra(database, monkeypatch):
    module, kind, extra = (
        ("pymysql", "mysql", "mysql") if database.kind == MARIADB else ("psycopg", "postgresql", "postgres")
    )
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StoreError, match=f"no driver for {kind}") as caught:
        database.read(rows(database))
    assert (caught.value.code, caught.value.hint) == ("FC605", f"pip install 'featurectl[{extra}]'")


@pytest.mark.long
def test_without_adbc_rows_are_read(database, monkeypatch):
    monkeypatch.setattr("featurectl.sources.sql.postgres.find_spec", lambda _: None)
    check_rows(database.read(rows(database)))
    assert database.arrow == []


@pytest.mark.long
def test_a_wrong_password_is_refused_and_never_shown(database, capfd):
    with own_server(database.kind) as (url, _):
        database.url, right = wrong_password(database.kind, url)

        def refused() -> StoreError | None:
            try:
                database.read("select 1 as a")
            except StoreError as error:
                return error
            return None

        wait_for(refused)
        error = refused()
        assert error is not None
        assert error.code == "FC605"
        assert "wrong-pass" not in f"{error} {error.__cause__} {capfd.readouterr()}"
        database.url = right
        assert database.read("select 1 as a").rows() == [(1,)]
        database.was_read_as(arrow=database.kind == ARROW)
