"""What stores say when they can't be used."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
import redis

from featurectl.core.errors import StoreError, TryAgainError, UsageError
from featurectl.online.all_stores import open_async_reader, open_online
from featurectl.online.redis.store import RedisStore
from featurectl.online.sqlite.store import SqliteStore
from tests.online.rows import frame, view
from tests.servers.echo import echoing_redis
from tests.servers.redis import free_port, started_redis

PASSWORD = "C@NARY'\"long-pw"  # noqa: S105  # made up


def test_a_redis_that_does_not_answer_is_named_without_its_password():
    port = free_port()
    store = RedisStore(f"redis://ana:secret@127.0.0.1:{port}/3")
    with pytest.raises(StoreError, match=f"redis://127.0.0.1:{port}/3 can't be reached") as caught:
        store.read(view({"n": "int64"}), [["a"]])
    assert caught.value.code == "FC602"
    assert "secret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("password", [PASSWORD, PASSWORD * 20], ids=["short", "cut off"])
def test_a_redis_without_hello_is_told_so_and_its_password_is_not(password):
    with started_redis("--requirepass", password, "--rename-command", "HELLO", "") as url:
        given = url.replace("://", f"://:{password}@")
        with pytest.raises(
            StoreError, match=r"(?m)the online store \${RED} does not know the command HELLO$"
        ) as caught:
            open_online(given, "${RED}").clock()
        assert "redis://host:6379/0?protocol=2" in caught.value.hint
        assert open_online(f"{given}?protocol=2").clock()


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
@pytest.mark.parametrize(
    "answer",
    [
        "ERR unknown command '{name}', with args beginning with: {all}",
        "ERR {all} is not allowed",
        "NOAUTH {all}",
        "ERR {all:.36}...",
    ],
)
def test_no_redis_that_repeats_what_it_was_sent_gives_the_password_away(scheme, answer):
    with echoing_redis(answer) as port:
        url = f"{scheme}://ana:{PASSWORD}@127.0.0.1:{port}/0"
        with pytest.raises(StoreError, match="the online store") as one:
            open_online(url, "${RED}").count(view({"n": "int64"}))

        async def read() -> None:
            await open_async_reader(url, "${RED}", 2.0).fetch_shared("shop", "dev", ["a"])

        with pytest.raises(StoreError, match="the online store") as other:
            asyncio.run(read())
    for error in (one.value, other.value):
        assert "NARY" not in error.message + error.hint


def test_every_operation_on_a_redis_that_does_not_answer_is_a_store_error():
    store = RedisStore(f"redis://127.0.0.1:{free_port()}")
    of = view({"n": "int64"})
    for operation in (
        lambda: store.prepare(of),
        lambda: store.write(of, frame(of, [["a"]], [[1]])),
        lambda: store.count(of),
        lambda: store.read_push_record(of),
        lambda: store.remove(of),
    ):
        with pytest.raises(StoreError):
            operation()


def test_a_redis_that_is_full_says_so_and_keeps_answering_reads():
    with started_redis("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as url:
        store, of = RedisStore(url), view({"s": "string"}, {"id": "int64"})
        rows = frame(of, [[i] for i in range(20_000)], [["x" * 400]] * 20_000)
        with pytest.raises(StoreError, match="maxmemory") as caught:
            store.write(of, rows)
        assert caught.value.code == "FC602"
        assert "xxx" not in str(caught.value)
        assert store.read(of, [[1], [19_999]])[1] is None
        store.close()


def test_a_redis_that_is_read_only_says_so():
    with started_redis("--replicaof", "127.0.0.1", str(free_port())) as url:
        store, of = RedisStore(url), view({"n": "int64"})
        with pytest.raises(StoreError, match="read only") as caught:
            store.write(of, frame(of, [["a"]], [[1]]))
        assert caught.value.code == "FC602"
        store.close()


def test_a_redis_whose_scripts_were_flushed_is_written_all_the_same(redis_url):
    store, of = RedisStore(redis_url), view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    assert store.write(of, frame(of, [["b"]], [[2]])) == 1
    store.close()


@pytest.mark.parametrize(
    "url", ["redis://host:port/0", "redis://host:6379/prod", "redis://host:6379/0?socket_timeout=soon"]
)
def test_a_url_that_is_none_is_wrong_usage(url):
    with pytest.raises(UsageError, match=r"redis://host:.* is no URL of Redis"):
        RedisStore(url).close()


def test_a_row_whose_schema_is_lost_is_a_store_error(redis_url):
    store, of = RedisStore(redis_url), view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    with redis.Redis.from_url(redis_url) as client:
        client.delete(f"{of.project}/{of.env}")
    with pytest.raises(StoreError, match="has lost schema"):
        store.read(of, [["a"]])
    store.close()


def test_the_keys_in_redis_are_as_documented(redis_url):
    store, of = RedisStore(redis_url), view({"n": "int64"}, {"origin": "string", "dest": "string"})
    store.write(of, frame(of, [["EWR", "JFK"]], [[1]]))
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys(f"{of.project}/dev:{{s3:EWRs3:JFK}}") == [b"spend@1"]
        assert client.object("encoding", f"{of.project}/dev:{{s3:EWRs3:JFK}}") == b"listpack"
    store.close()


def test_a_file_that_is_no_database_is_a_store_error(tmp_path):
    path = tmp_path / "online.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 50)
    with pytest.raises(StoreError, match=r"online\.db can't be used: file is not a database"):
        SqliteStore(path).prepare(view({"n": "int64"}))


def test_a_folder_that_can_not_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be used"):
        SqliteStore(tmp_path / "file" / "online.db").prepare(view({"n": "int64"}))


def test_a_file_that_another_process_holds_is_worth_another_try(tmp_path, monkeypatch):
    monkeypatch.setattr("featurectl.online.sqlite.store._WAIT_S", 0.01)
    store, of = SqliteStore(tmp_path / "online.db"), view({"n": "int64"})
    store.prepare(of)
    other = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(TryAgainError, match="another command has been writing"):
        store.write(of, frame(of, [["a"]], [[1]]))
    assert store.read(of, [["a"]]) == [None]
    other.execute("rollback")
    assert store.write(of, frame(of, [["a"]], [[1]])) == 1
    other.close()
    store.close()


def test_a_chunk_that_fails_leaves_nothing_of_itself(tmp_path):
    store, of = SqliteStore(tmp_path / "online.db"), view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    other = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    other.execute(
        "create trigger stop before insert on rows when new.entity = cast('s1:c' as blob) "
        "begin select raise(abort, 'disk trouble'); end"
    )
    with pytest.raises(StoreError, match="disk trouble"):
        store.write(of, frame(of, [["b"], ["c"]], [[2], [3]]))
    assert (store.read(of, [["b"]]), store.count(of)) == ([None], 1)
    other.close()
    store.close()
