"""The state of streams in a Redis that hangs, is full, flushed, killed, a replica, or holds what others wrote."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing, contextmanager, suppress

import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    Generation,
    KnownStamps,
    ListAppend,
    ListsAsk,
    ReadingPosition,
    StreamSource,
)
from tests.online.stream_state.test_sqlite_state import operations as written
from tests.servers.redis import START_LIMIT_S, redis_server, valkey_program

GENERATION = Generation(view="spend@1", id="a1")
ASK = ListsAsk(view="spend@1", entities=[b"k"])
SOURCE = StreamSource(project="shop", env="dev", source="swipes")


@pytest.fixture(params=["redis", pytest.param("valkey", marks=pytest.mark.long)])
def server(request, monkeypatch, tmp_path):
    """A server of this test alone, which keeps what it was told, and is given 1.5 s for an answer.

    What it has written outlives it though it waits for no disk.
    """
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 1.5)
    program = valkey_program() if request.param == "valkey" else None
    options = ["--appendonly", "yes", "--appendfsync", "no", "--dir", str(tmp_path)]
    with redis_server(*options, program=program) as made:
        yield made


@pytest.fixture
def state(server):
    with closing(open_stream_state(server.url)) as made:
        yield made


@contextmanager
def connected(state):
    """A connection to a source with one partition and a generation that is read."""
    with closing(state.connect(SOURCE)) as made:
        made.register.add_partition("p")
        made.generations.add(GENERATION)
        assert made.generations.switch(GENERATION)
        yield made


def push(connection, element: bytes = b"\x01", key: bytes = b"k"):
    return connection.lists.append([ListAppend(generation=GENERATION, entities=[key], elements=[element])])


def test_every_call_after_a_restart_says_that_the_connection_is_lost(server, state):
    with connected(state) as connection:
        push(connection)
        server.kill()
        server.start()
        for name, operation in written(connection).items():
            with pytest.raises(ConnectionLostError, match="begins anew"):
                operation()
            assert name
    with connected(state) as connection:
        assert push(connection) == [{b"k": 2}]
        assert len(state.read(SOURCE, [ASK])[0].lists[0].elements) == 2


def test_a_server_that_is_killed_while_it_is_written_has_what_is_done(server, state):
    for _ in range(2):
        with connected(state) as connection:
            at = connection.register.read_state().partitions[0].done
            writer = threading.Thread(target=write_until_lost, args=(connection, at))
            writer.start()
            wait_until(lambda at=at: done_of(state) >= at + 40)
            server.kill()
            writer.join()
        server.start()
        with connected(state) as connection:
            found, [[of]] = connection.lists.read([ASK])
            [partition] = found.partitions
            assert partition.done >= at + 40
            assert partition.end <= partition.done + 20
            assert {int(element[1:]) for element in of.elements} >= {*range(partition.done)}


def write_until_lost(connection, at: int) -> None:
    """Take batches of 20 events to one list until the connection is lost."""
    with suppress(ConnectionLostError):
        while True:
            connection.register.claim(0, at, at + 20, KnownStamps())
            elements = [b"\x01%d" % offset for offset in range(at, at + 20)]
            connection.lists.append([ListAppend(generation=GENERATION, entities=[b"k"] * 20, elements=elements)])
            assert connection.register.finish(0, at, at + 20, [GENERATION])
            at += 20


def done_of(state) -> int:
    with closing(state.connect(SOURCE)) as another:
        return another.register.read_state().partitions[0].done


def test_another_run_of_a_server_leaves_a_gap_up_to_what_was_met(server, state):
    with connected(state) as connection:
        claim = connection.register.claim(0, 0, 2, KnownStamps())
        before = connection.register.read_state()
    with connected(state) as connection:
        assert connection.register.read_state().run == before.run
    server.kill()
    server.start()
    with connected(state) as connection:
        found = connection.register.read_state()
        assert (found.run == before.run, found.left, claim.last > 0) == (False, 0, True)


@pytest.mark.long
def test_a_server_that_hangs_is_an_error_in_time_and_lost_then(server, state):
    with connected(state) as connection:
        with server.paused():
            begin = time.monotonic()
            with pytest.raises(ConnectionLostError, match="begins anew"):
                push(connection)
            assert time.monotonic() - begin < START_LIMIT_S
        with pytest.raises(ConnectionLostError):
            connection.check()
    with server.paused(), pytest.raises(StoreError, match="can't be reached"):
        state.read(SOURCE, [ASK])
    with server.paused(), pytest.raises(StoreError, match="can't be reached"):
        state.connect(SOURCE)
    assert state.read(SOURCE, [ASK])[0].lists is not None


def test_a_full_server_is_an_error_and_nothing_is_done(server, state):
    with connected(state) as connection, server.client() as client:
        claim = connection.register.claim(0, 0, 2, KnownStamps())
        client.config_set("maxmemory", "1")
        for name in ["append", "seed", "add"]:
            with pytest.raises(StoreError, match="maxmemory") as caught:
                written(connection)[name]()
            assert not isinstance(caught.value, ConnectionLostError)
            assert "raise `maxmemory`" in caught.value.hint
        client.config_set("maxmemory", "0")
        assert push(connection) == [{b"k": 1}]
        assert connection.register.claim(0, 0, 2, KnownStamps()) == claim


def test_a_flushed_server_has_no_register_and_refuses_what_goes_on(server, state):
    with connected(state) as connection, server.client() as client:
        claim = connection.register.claim(0, 0, 2, KnownStamps())
        push(connection)
        client.flushall()
        for refused in (
            lambda: connection.register.finish(0, 0, 2, [each.generation for each in claim.generations]),
            lambda: connection.register.claim(0, 2, 3, KnownStamps()),
            lambda: connection.register.add_partition("p"),
        ):
            with pytest.raises(ConnectionLostError, match="the register of the stream was emptied"):
                refused()
        assert state.read(SOURCE, [ASK])[0].lists is None
    with closing(state.connect(SOURCE)) as another:
        position = ReadingPosition(partition=0, position=2, at_end=True)
        assert another.register.heartbeat([position]) == [False]
        assert another.register.add_partition("p") == 0


def test_scripts_that_were_flushed_are_loaded_again(server, state):
    with connected(state) as connection, server.client() as client:
        client.script_flush()
        assert connection.register.claim(0, 0, 2, KnownStamps()) is not None


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_lets_keys_go_is_refused_with_what_to_set(server, state, policy):
    with server.client() as client:
        client.config_set("maxmemory-policy", policy)
    with pytest.raises(StoreError, match=f"maxmemory-policy is {policy}") as caught:
        state.connect(SOURCE)
    assert "set maxmemory-policy to noeviction" in caught.value.hint


@pytest.mark.long
def test_a_replica_is_refused_and_one_that_is_promoted_is_taken(server, state, tmp_path_factory):
    with connected(state) as connection:
        push(connection)
        folder = tmp_path_factory.mktemp("replica")
        follow = ["--replicaof", "127.0.0.1", str(server.port), "--dir", str(folder), "--repl-diskless-sync-delay", "0"]
        with redis_server(*follow) as replica, closing(open_stream_state(replica.url)) as other:
            with replica.client() as client:
                wait_until(lambda: client.info("replication").get("master_link_status") == "up")
                with pytest.raises(StoreError, match="is a replica"):
                    other.connect(SOURCE)
                client.replicaof("NO", "ONE")
            with connected(other) as again:
                assert push(again) == [{b"k": 2}]
                assert again.register.read_state().run != connection.register.read_state().run


def test_a_primary_that_becomes_a_replica_is_a_connection_lost(server, state):
    with redis_server() as other, connected(state) as connection, server.client() as client:
        client.replicaof("127.0.0.1", other.port)
        with pytest.raises(ConnectionLostError, match="replica"):
            push(connection)
        with pytest.raises(ConnectionLostError):
            connection.check()


def test_a_key_that_others_made_another_type_is_named(server, state):
    with connected(state) as connection, server.client() as client:
        client.set("shop/dev/s:{k}/spend@1#a1", "theirs")
        calls = ["append", "replace", "read"]
        for name in calls:
            with pytest.raises(StoreError, match=r"shop/dev/s:\{k\}/spend@1#a1"):
                written(connection)[name]()
        with pytest.raises(StoreError, match=r"shop/dev/s:\{k\}/spend@1#a1"):
            state.read(SOURCE, [ASK])
        assert push(connection, key=b"other") == [{b"other": 1}]
        client.delete("shop/dev/r:{swipes}")
        client.set("shop/dev/r:{swipes}", "theirs")
        for name in ["claim", "finish", "heartbeat", "read_state", "add"]:
            with pytest.raises(StoreError, match=r"shop/dev/r:\{swipes\}|another type"):
                written(connection)[name]()
        with pytest.raises(StoreError, match="another type"):
            state.read(SOURCE, [ASK])


def test_a_register_that_holds_nonsense_is_an_error(server, state):
    with connected(state) as connection, server.client() as client:
        client.hset("shop/dev/r:{swipes}", "views", "one two\nx")
        with pytest.raises(StoreError, match="broken"):
            connection.register.read_state()
        client.hset("shop/dev/r:{swipes}", "asof", "never")
        with pytest.raises(StoreError, match="broken"):
            state.read(SOURCE, [ASK])


def test_rows_of_the_store_and_state_of_streams_do_not_meet(server, state):
    from featurectl.online.all_stores import open_online
    from tests.online.rows import frame, view

    of = view({"n": "int64"}, project="shop", env="dev")
    with connected(state) as connection, closing(open_online(server.url)) as store:
        push(connection, key=b"s1:a")
        store.write(of, frame(of, [["a"]], [[1]]))
        assert sum(len(page) for page in store.walk(of)) == store.count(of) == store.count_rows(of) == 1
        store.remove(of)
        assert [*state.read(SOURCE, [ListsAsk(view="spend@1", entities=[b"s1:a"])])[0].lists[0].elements] == [b"\x01"]


def wait_until(done) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_writer_that_is_interrupted_uses_its_connection_no_more(server, state):
    """Replies that are due must not be taken for those of the next commands."""
    with connected(state) as connection:
        push(connection)
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with server.paused():
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                with pytest.raises(KeyboardInterrupt):
                    push(connection)
        finally:
            signal.signal(signal.SIGALRM, before)
        with pytest.raises(ConnectionLostError, match="interrupted"):
            connection.register.claim(0, 0, 2, KnownStamps())


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_user_without_info_is_told_so(server):
    with server.client() as client:
        client.acl_setuser("ana", enabled=True, passwords=["+pw"], categories=["+@all"], commands=["-info"], keys=["*"])
    url = server.url.replace("://", "://ana:pw@")
    with closing(open_stream_state(url)) as state, pytest.raises(StoreError, match="info") as caught:
        state.connect(SOURCE)
    assert "must be allowed" in caught.value.hint
    assert isinstance(caught.value.__cause__, redis.RedisError)
