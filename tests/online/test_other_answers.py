"""Answers that no Redis gives to a look-up: an error of the store, never values of others or a fault of ours."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from contextlib import closing, contextmanager, suppress

import pytest
import redis

from featurectl.cli.main import main
from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online, open_stream_state
from featurectl.online.base import Ask, Writing
from featurectl.online.redis.answers import parsing
from featurectl.online.redis.connect import StoreAddress, translated
from featurectl.online.redis.trips import parted
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.online.async_reading import reader_of
from tests.online.rows import frame, view

X = StoreAddress(url="redis://x", shown="redis://x")
OF = view({"amount": "int64"}, project="other-answers")
SOURCE = StreamSource(project="p", env="dev", source="swipes")
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


def test_a_host_of_a_name_that_none_has_is_told_as_not_reached():
    with closing(open_online("redis://a..b:6379")) as store, pytest.raises(StoreError, match="no host has such a name"):
        store.count(OF)


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
    """A server that gives one answer to all commands but ECHO and those that begin a connection; gives its URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with suppress(OSError):
                while line := self.rfile.readline():
                    words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2) for _ in range(int(line[1:]))]
                    if words[0] == b"ECHO\r\n":
                        self.wfile.write(b"$%d\r\n%b" % (len(words[1]) - 2, words[1]))
                    else:
                        self.wfile.write(b"+OK\r\n" if words[0] in (b"CLIENT\r\n", b"SELECT\r\n") else answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0?protocol=2"
        server.shutdown()
        thread.join()


GREETINGS = {
    b"+OK\r\n": "it answers HELLO with b'OK'",
    b":5\r\n": "it answers HELLO with 5",
    b",1.5\r\n": "it answers HELLO with 1.5",
    b"(12345678901234567890123\r\n": "it answers HELLO with b'1234",
    b"|1\r\n+a\r\n:1\r\n+OK\r\n": "it answers HELLO with [b'a', 1]",
    b"_\r\n": "it answers HELLO with None",
    b">0\r\n": "the client can't read a reply (IndexError)",
    b"%1\r\n*0\r\n:1\r\n": "the client can't read a reply (TypeError)",
    b"-MOVED nowhere\r\n": "the client can't read a reply (ValueError)",
    b"SSH-2.0-OpenSSH_9.6\r\n": 'got "S" as reply type byte',
    b"HTTP/1.1 400 Bad Request\r\n\r\n": 'got "H" as reply type byte',
    b"E\x00\x00\x00\x20SFATAL\x00": 'got "E" as reply type byte',
}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_server_that_is_no_redis_is_said_with_what_it_says(greeting):
    with greeting_with(greeting) as address:
        for scheme in ("redis", "redis+cluster"):
            url = f"{scheme}://{address}/0"
            with closing(open_online(url)) as store, pytest.raises(StoreError) as caught:
                store.read(OF, [["a"]])
            said = caught.value.message.removeprefix(f"the online store {url} does not speak the protocol of Redis: ")
            assert said != caught.value.message
            assert GREETINGS[greeting] in said
            with closing(open_stream_state(url)) as state, pytest.raises(StoreError, match="does not speak"):
                state.connect(SOURCE)
            with closing(open_topics(url)) as topics, pytest.raises(StoreError, match="does not speak"):
                topics.state("swipes")
            asyncio.run(read_async(url))


async def read_async(url):
    async with reader_of(url) as reader:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"does not speak|belong to no request|not ready"):
                await reader.fetch([ASK])  # this client looks at no answer to HELLO


def test_a_command_at_a_server_that_is_no_redis_says_so_in_a_line(tmp_path, capsys):
    with greeting_with(b"+OK\r\n") as address:
        online = f'online: "redis://{address}/0"'
        (tmp_path / "featurectl.yaml").write_text(
            f'project: p\nenvironments:\n  dev: {{registry: "sqlite:///r.db", offline: off, {online}}}\n'
        )
        (tmp_path / "objects.yaml").write_text(OBJECTS)
        (tmp_path / "past.csv").write_text("card,amount,at\nc1,1.5,2026-01-01T00:00:00Z\n")
        assert main(["apply", "-C", str(tmp_path), "-q", "--auto-approve"]) == 69
        first, *hints = capsys.readouterr().err.splitlines()
    assert first.endswith("does not speak the protocol of Redis: it answers HELLO with b'OK'")
    assert hints == ["  = is `online:` of the environment the address of a Redis?"]


OBJECTS = """
entities: [{name: card, keys: {card: string}}]
sources: [{name: s, path: past.csv, columns: {card: string, amount: float64, at: timestamp}, event_time: at}]
feature_views: [{name: spend, entity: card, source: s, aggregates: [{column: amount, op: sum, windows: [1h]}]}]
"""


@contextmanager
def greeting_with(greeting):
    """A server that says one thing to each command; gives its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with suppress(OSError):
                while asked := self.request.recv(65_536):
                    self.request.sendall(greeting * max(asked.count(b"*"), 1))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
