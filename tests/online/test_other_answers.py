"""Answers that no Redis gives to a look-up: an error of the store, never values of others or a fault of ours."""

from __future__ import annotations

import socketserver
import threading
from contextlib import closing, contextmanager, suppress

import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Ask, Writing
from featurectl.online.redis.answers import parsing
from featurectl.online.redis.connect import StoreAddress, translated
from featurectl.online.redis.trips import parted
from tests.online.rows import frame, view

X = StoreAddress(url="redis://x", shown="redis://x")
OF = view({"amount": "int64"}, project="other-answers")
ASK = Ask(project="p", env="dev", keys=[b"s1:a"], fields=("spend@1", "visits@1"))


@pytest.mark.parametrize("answer", [5, None, True, 1.5, b"abc", {}, [], [b"a"], [b"a", 4], [b"a", [b"b"]], [b"a"] * 3])
def test_what_is_no_row_for_each_field_is_no_answer_of_a_redis(answer):
    assert parted([ASK], [[b"row", None]]) == [[[b"row", None]]]
    with pytest.raises(redis.InvalidResponse):
        parted([ASK], [answer])


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError])
def test_an_answer_that_the_parser_gives_up_is_told_as_no_redis(error):
    with pytest.raises(StoreError, match="does not speak the protocol of Redis"), translated(X), parsing():
        raise error


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError])
def test_what_fails_of_a_push_itself_is_told_as_it_is(redis_url, error):
    """Frames are made while others are on their way: their failures are none of the store."""

    def frames():
        yield frame(OF, [["a"]], [(1,)])
        raise error("our own")

    with closing(open_online(redis_url)) as store:
        with pytest.raises(error, match="our own"):
            store.write_all(OF, frames(), Writing())
        store.remove(OF)


@pytest.mark.parametrize("answer", [b":5", b"$3\r\nabc", b"*1\r\n:1", b"$-1", b"+OK", b"*2\r\n:1\r\n:2", b"*-1", b"*0"])
def test_an_answer_of_another_type_is_an_error_of_the_store(answer):
    with served(answer + b"\r\n") as url, closing(open_online(url)) as store:
        for use in (
            store.clock,
            lambda: store.count(OF),
            lambda: store.count_rows(OF),
            lambda: store.read(OF, [["a"]]),
            lambda: store.fetch_shared("p", "dev", ["a", "b"]),
            lambda: store.prepared("p", "dev"),
            lambda: store.read_push_record(OF),
            lambda: store.write(OF, frame(OF, [["a"]], [(1,)])),
            lambda: store.remove(OF),
        ):
            with suppress(StoreError):
                assert use() in (None, 0, [None], frozenset())  # what is not there


@pytest.mark.parametrize("answer", [b":5", b"$3\r\nabc", b"*1\r\n:1", b"*1\r\n*3\r\n:0\r\n:1\r\n:2", b"*0", b"+OK"])
def test_slots_that_no_cluster_has_are_an_error_of_the_store(answer):
    with served(answer + b"\r\n") as url, closing(open_online(url.replace("redis:", "redis+cluster:"))) as store:
        with pytest.raises(StoreError) as caught:
            store.count(OF)
        assert caught.value.code == "FC602"


@contextmanager
def served(answer):
    """A server that gives one answer to all commands but those that begin a connection; gives its URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with suppress(OSError):
                while line := self.rfile.readline():
                    words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2) for _ in range(int(line[1:]))]
                    self.wfile.write(b"+OK\r\n" if words[0] in (b"CLIENT\r\n", b"SELECT\r\n") else answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0?protocol=2"
        server.shutdown()
        thread.join()
