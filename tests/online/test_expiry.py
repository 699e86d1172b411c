"""Rows that nobody writes again: the servers let them go at the instant they were told, and the count is put right."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import redis

from featurectl.online.base import Writing
from featurectl.online.redis.store import RedisStore
from tests.online.conftest import STORES
from tests.online.rows import T0, frame, view

KEEPING = ("sqlite", "postgres_url", "dictionary")  # what has room is not let go by itself
SERVERS = [name for name in STORES if name not in KEEPING]
LONG = timedelta(days=90)


def write(store, of, entity, number, kept_for=None):
    kept_until = None if kept_for is None else datetime.now(UTC) + kept_for
    rows = frame(of, [[entity]], [[number]], event_time=T0 + timedelta(seconds=number))
    return store.write_all(of, [rows], Writing(kept_until=kept_until))


def wait_until_gone(store, of, entity):
    while store.read(of, [[entity]]) != [None]:
        time.sleep(0.01)


@pytest.mark.parametrize("open_again", SERVERS, indirect=True)
def test_a_server_lets_a_row_go_and_no_other_of_the_entity(store):
    short, other = view({"n": "int64"}, project="p-expiry"), view({"n": "int64"}, project="p-expiry", name="other")
    write(store, other, "a", 1)
    write(store, short, "b", 1, LONG)
    write(store, short, "a", 1, timedelta(milliseconds=50))
    wait_until_gone(store, short, "a")
    assert [row is not None for row in store.read(short, [["b"]]) + store.read(other, [["a"]])] == [True, True]
    for of in (short, other):
        store.remove(of)


@pytest.mark.sample(2)
@pytest.mark.parametrize("open_again", SERVERS, indirect=True)
def test_the_count_survives_expired_rows_and_is_mended_by_the_next_scan(store):
    of = view({"n": "int64"})
    write(store, of, "a", 1, timedelta(milliseconds=50))
    write(store, of, "b", 1, LONG)
    wait_until_gone(store, of, "a")
    assert store.count(of) == 2
    kept = frame(of, [["b"]], [[1]]).select(list(of.keys))
    assert (store.keep_only(of, kept, datetime.now(UTC)), store.count(of)) == (0, 1)
    assert (write(store, of, "a", 2), store.count(of)) == (1, 2)


@pytest.mark.sample(2)
@pytest.mark.parametrize("open_again", SERVERS, indirect=True)
def test_rows_that_are_written_during_a_scan_stay_in_the_count(store, open_again, monkeypatch):
    of, pages = view({"n": "int64"}), store.bytes._pages  # noqa: SLF001  # counts and disturbs single commands
    write(store, of, "a", 1, timedelta(milliseconds=50))
    write(store, of, "b", 1, LONG)
    wait_until_gone(store, of, "a")

    def with_a_write_at_the_end(*asked):
        yield from pages(*asked)
        with closing(open_again()) as other:
            write(other, of, "c", 1, LONG)

    monkeypatch.setattr(store.bytes, "_pages", with_a_write_at_the_end)
    kept = frame(of, [["b"]], [[1]]).select(list(of.keys))
    assert (store.keep_only(of, kept, T0), store.count(of)) == (0, 2)


@pytest.mark.sample(2)
@pytest.mark.parametrize("open_again", SERVERS, indirect=True)
def test_a_row_that_is_written_again_has_the_life_that_it_was_given_last(store):
    of = view({"n": "int64"})
    write(store, of, "a", 1, LONG)
    write(store, of, "a", 2, timedelta(milliseconds=50))
    wait_until_gone(store, of, "a")
    write(store, of, "b", 1, timedelta(milliseconds=50))
    write(store, of, "b", 2)
    write(store, of, "gone", 1, timedelta(milliseconds=50))
    wait_until_gone(store, of, "gone")  # its end came after that of b's first row
    assert store.read(of, [["b"]])[0].values == {"n": 2}


def test_a_row_that_loses_against_a_newer_one_does_not_shorten_its_life(redis_url):
    store, of = RedisStore(redis_url), view({"n": "int64"})
    write(store, of, "a", 2, LONG)
    write(store, of, "a", 1, timedelta(milliseconds=1))
    with redis.Redis.from_url(redis_url) as client:
        key = f"{of.project}/{of.env}:{{s1:a}}"
        left_s = client.execute_command("HTTL", key, "FIELDS", 1, "spend@1")[0]
    store.close()
    assert left_s > LONG.total_seconds() - 3_600


def test_a_server_that_can_not_let_fields_go_keeps_them(redis_url, monkeypatch):
    store, of = RedisStore(redis_url), view({"n": "int64"})
    asked = store.bytes.commands.ask  # counts and disturbs single commands
    monkeypatch.setattr(
        store.bytes.commands, "ask", lambda *command: [None] if command[0] == "COMMAND" else asked(*command)
    )
    write(store, of, "a", 1, timedelta(milliseconds=1))
    with redis.Redis.from_url(redis_url) as client:
        assert client.execute_command("HTTL", f"{of.project}/{of.env}:{{s1:a}}", "FIELDS", 1, "spend@1") == [-1]
    store.close()


@pytest.mark.parametrize("open_again", KEEPING, indirect=True)
def test_a_store_that_has_room_keeps_its_rows(store):
    of = view({"n": "int64"})
    write(store, of, "a", 1, timedelta(seconds=-1))
    assert store.read(of, [["a"]])[0].values == {"n": 1}
