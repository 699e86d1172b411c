"""What is Redis's own: entries of other programs, their trimming, ids, policies, and servers that go away."""

from __future__ import annotations

import re
import shlex
import time
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.core.errors import NoAnswerError, StoreError
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import RetentionError, TopicRestartedError
from featurectl.streaming.topics.partitioner import partition_of
from featurectl.streaming.topics.redis import broker as redis_broker
from featurectl.streaming.topics.redis.keys import entry_id, offset_of, stream_key
from tests.servers.redis import redis_server
from tests.streaming.topics.kinds import RedisKind
from tests.streaming.topics.reading import LIMIT_S, read_to_end, reading, records_of, send, wait_until


@pytest.fixture(params=["redis_url", pytest.param("valkey_url", marks=pytest.mark.long)])
def url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def broker(url):
    with closing(open_topics(url)) as opened:
        yield opened


@pytest.fixture
def client(url):
    with closing(RedisKind(url).client()) as opened:
        yield opened


@pytest.fixture
def stream(broker, topic):
    broker.create(topic, 1)
    return stream_key(topic, 0)


def fails(log, kind):
    """Return the error that a reader comes to."""
    with pytest.raises(kind) as caught:
        wait_until(lambda: log.take() is None)
    return caught.value


def test_entries_of_other_programs_are_messages(broker, topic, client, stream):
    client.xadd(stream, {"value": b"\xff\0"})
    client.xadd(stream, {"value": "2", "key": "card"})
    client.xadd(stream, {"amount": "3", "card": "x"})
    client.xadd(stream, {"key": "k", "value": "4", "more": "z"})
    with reading(broker, topic) as log:
        found = [(key, value) for _, key, value in read_to_end(log)[0]]
    assert found == [(None, b"\xff\0"), (b"card", b"2"), (None, b'{"amount": "3", "card": "x"}'), (b"k", b"4")]


def test_another_program_sends_as_the_docs_say(broker, topic, client, stream):
    page = (Path(__file__).parents[3] / "docs" / "reference" / "topics.md").read_text()
    [command] = re.findall(r"`(XADD topic:.*?)`", page)
    client.execute_command(*shlex.split(command.replace("topic:{swipes/0}", stream.decode())))
    with reading(broker, topic) as log:
        assert [message[1:] for message in read_to_end(log)[0]] == [(b"card-7", b'{"amount": 3}')]


def test_ids_of_other_programs_are_offsets_in_their_order(broker, topic, client, stream):
    names = [b"5-0", b"5-1", b"5-4095", b"6-0", b"1764367452123-7"]
    for name in names:
        client.xadd(stream, {"value": name}, id=name)
    with reading(broker, topic) as log:
        found = read_to_end(log)[0]
        assert [(entry_id(offset), value) for offset, _, value in found] == [(name, name) for name in names]
        for start in range(len(names) + 1):
            log.messages.clear()
            log.seek(0, found[start - 1][0] + 1 if start else 0)
            assert read_to_end(log).get(0, []) == found[start:]


@pytest.mark.parametrize("name", ["5-4096", "2199023255552-0"])
def test_an_id_that_is_no_offset_is_an_error_that_names_it(broker, topic, client, stream, name):
    client.xadd(stream, {"value": "x"}, id=name)
    with pytest.raises(StoreError, match=f"has an entry {name}"), reading(broker, topic, {0: 0}) as log:
        log.take()


def test_a_sender_passes_sequences_that_come_near_their_end(broker, topic, client, stream):
    ahead_ms = int(time.time() * 1_000) + 1_000_000  # the server's clock was set back since
    client.xadd(stream, {"value": "0"}, id=f"{ahead_ms}-{1 << 11}")
    send(broker, topic, [(b"key", b"1"), (b"key", b"2")])
    send(broker, topic, [(b"key", b"3")])
    with reading(broker, topic) as log:
        found = read_to_end(log)[0]
    assert [value for _, _, value in found] == [b"0", b"1", b"2", b"3"]
    assert entry_id(found[-1][0]) == b"%d-1" % (ahead_ms + 1)


def test_trimming_by_a_producer_is_counted_exactly_once_the_end_was_seen(broker, topic, client, stream):
    send(broker, topic, records_of(keys=1, each=10))
    with reading(broker, topic) as log:
        read_to_end(log)
        send(broker, topic, records_of(keys=1, each=7))
        client.xtrim(stream, maxlen=4, approximate=False)  # 3 of the 7 were not read
        error = fails(log, RetentionError)
        assert (error.lost, error.position) == (3, log.positions[0])
        log.seek(0, error.begin)
        assert len(read_to_end(log)[0]) == 14


def test_trimming_by_a_producer_of_what_was_read_is_no_loss(broker, topic, client, stream):
    send(broker, topic, records_of(keys=1, each=10))
    with reading(broker, topic) as log:
        read_to_end(log)
        send(broker, topic, records_of(keys=1, each=7))
        client.xtrim(stream, maxlen=7, approximate=False)
        assert len(read_to_end(log)[0]) == 17


def test_a_producer_that_keeps_few_is_followed_without_loss(broker, topic, client, stream):
    with reading(broker, topic) as log:
        read_to_end(log)
        for number in range(30):
            client.xadd(stream, {"value": str(number)}, maxlen=1, approximate=False)
            wait_until(lambda: bool(log.take().batches))
        assert [int(value) for value in log.values()[0]] == list(range(30))


def test_a_reader_that_starts_behind_what_others_trimmed_takes_it_for_lost(broker, topic, client, stream):
    send(broker, topic, records_of(keys=1, each=10))
    offsets = [offset_of(name) for name, _ in client.xrange(stream)]
    client.xtrim(stream, maxlen=4, approximate=False)
    with reading(broker, topic, {0: offsets[3]}) as log:
        error = fails(log, RetentionError)
        assert error.begin == offsets[6]
        assert error.lost >= 3
    with reading(broker, topic, {0: offsets[6]}) as log:
        assert len(read_to_end(log)[0]) == 4


def test_what_featurectl_trimmed_is_told_from_what_others_did(broker, topic, client, stream):
    send(broker, topic, records_of(keys=1, each=10))
    offsets = [offset_of(name) for name, _ in client.xrange(stream)]
    broker.trim(topic, {0: offsets[4] + 1})
    with reading(broker, topic, {0: offsets[4] + 1}) as log:
        assert len(read_to_end(log)[0]) == 5
    with reading(broker, topic, {0: offsets[4]}) as log:
        assert fails(log, RetentionError).lost <= 5
    client.xtrim(stream, maxlen=2, approximate=False)
    with reading(broker, topic, {0: offsets[4] + 1}) as log:
        assert fails(log, RetentionError).begin == offsets[8]


def test_a_stream_that_was_removed_and_filled_again_is_another_one(broker, topic, client, stream):
    send(broker, topic, records_of(keys=1, each=10))
    with reading(broker, topic) as log:
        read_to_end(log)
        client.delete(stream)
        client.xadd(stream, {"value": "anew"})
        fails(log, TopicRestartedError)
        start = log.positions[0]
    with reading(broker, topic, {0: start}) as log:  # one that knows nothing but its position
        fails(log, TopicRestartedError)


def test_a_stream_that_has_fewer_entries_than_were_read_is_another_one(broker, topic, client, stream):
    send(broker, topic, records_of(keys=1, each=10))
    with reading(broker, topic) as log:
        read_to_end(log)
        client.delete(stream)
        for number in range(3):
            client.xadd(stream, {"value": str(number)})
        client.xtrim(stream, maxlen=2, approximate=False)
        fails(log, TopicRestartedError)


@pytest.mark.parametrize(("policy", "is_refused"), [("allkeys-lru", True), ("volatile-ttl", False)])
def test_a_server_that_removes_any_keys_is_refused(policy, is_refused, topic):
    with redis_server("--maxmemory-policy", policy) as server, closing(open_topics(server.url)) as broker:
        if not is_refused:
            broker.create(topic, 1)
            send(broker, topic, [(b"key", b"1")])
            return
        for use in (lambda: broker.create(topic, 1), lambda: broker.open_reader(topic)):
            with pytest.raises(StoreError, match=f"removes any keys when it is full .{policy}") as caught:
                use()
            assert "maxmemory-policy noeviction" in caught.value.hint


def test_a_full_server_refuses_and_takes_again_when_there_is_room(topic):
    with redis_server() as server, closing(open_topics(server.url)) as broker, closing(server.client()) as client:
        broker.create(topic, 1)
        with closing(broker.open_writer(topic)) as writer, reading(broker, topic) as log:
            client.config_set("maxmemory", "1mb")
            writer.send([(b"key", b"1")])
            with pytest.raises(StoreError, match=r"the topics redis://.* refuses: .*maxmemory") as caught:
                writer.flush()
            assert (caught.value.code, writer.acknowledged) == ("FC606", 0)
            client.config_set("maxmemory", "0")
            writer.send([(b"key", b"2")])
            assert writer.flush() == 1
            assert [value for _, _, value in read_to_end(log)[0]] == [b"2"]


def test_a_reader_goes_on_when_its_server_is_back(topic):
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    with redis_server(*options) as server, closing(open_topics(server.url)) as broker:
        broker.create(topic, 2)
        send(broker, topic, records_of(keys=10, each=2))
        with reading(broker, topic) as log, closing(broker.open_writer(topic)) as writer:
            read_to_end(log)
            server.kill()
            assert "can't be reached" in fails(log, NoAnswerError).message
            writer.send([(b"a", b"away")])
            with pytest.raises(NoAnswerError, match=r"the topics redis://.* can't be reached") as caught:
                writer.flush()
            assert "`streams:`" in caught.value.hint
            server.start()
            send(broker, topic, records_of(keys=10, each=1))
            wait_until(lambda: log.take() is not None and sum(map(len, log.messages.values())) == 30)


def test_a_server_that_was_flushed_is_told(topic):
    with redis_server() as server, closing(open_topics(server.url)) as broker:
        broker.create(topic, 1)
        with reading(broker, topic) as log:
            read_to_end(log)  # nothing was sent yet, so that no position tells
            with closing(server.client()) as client:
                client.flushall()
            fails(log, TopicRestartedError)


@pytest.mark.long
def test_a_server_that_hangs_is_an_error_and_nobody_waits_for_ever(topic):
    with redis_server() as server, closing(open_topics(server.url, limit_s=3)) as broker:
        broker.create(topic, 1)
        with reading(broker, topic) as log, closing(broker.open_writer(topic)) as writer:
            read_to_end(log)
            with server.paused():
                writer.send([(b"a", b"1")])
                for use in (lambda: wait_until(lambda: log.take() is None), writer.flush):
                    begin = time.monotonic()
                    with pytest.raises(NoAnswerError):
                        use()
                    assert time.monotonic() - begin < LIMIT_S
            send(broker, topic, [(b"a", b"2")])
            wait_until(lambda: log.take() is not None and bool(log.messages))


def test_topics_lie_behind_tls_too(redis_tls_url, topic):
    with closing(open_topics(redis_tls_url)) as broker:
        broker.create(topic, 2)
        send(broker, topic, records_of(keys=4, each=2))
        with reading(broker, topic) as log:
            assert sum(map(len, read_to_end(log).values())) == 8
            for number in range(3):  # while it waits
                send(broker, topic, [(b"key", b"%d" % number)])
                wait_until(lambda: bool(log.take(TakeLimits(timeout_s=LIMIT_S)).batches))


@pytest.mark.parametrize("place", ["redis_url", pytest.param("redis_cluster_url", marks=pytest.mark.long)])
def test_a_partition_with_a_backlog_keeps_no_other_one_waiting(request, topic, place):
    with closing(open_topics(request.getfixturevalue(place))) as broker:
        broker.create(topic, 2)
        keys = {partition_of(b"%d" % number, 2): b"%d" % number for number in range(10)}
        with reading(broker, topic) as log:
            read_to_end(log)
            send(broker, topic, [(keys[0], b"many")] * 500)
            log.take(TakeLimits(messages=5, timeout_s=1))
            send(broker, topic, [(keys[1], b"one")])
            for _ in range(3):
                log.take(TakeLimits(messages=5, timeout_s=1))
            assert log.values()[1] == [b"one"]
            assert len(log.values()[0]) <= 20


@pytest.mark.usefixtures("stream")
def test_an_idle_reader_waits_no_longer_than_it_is_told(broker, topic):
    """A server that has nothing to do ends a short BLOCK after up to 100 ms."""
    with reading(broker, topic) as log:
        read_to_end(log)

        def takes_of_a_second():
            begin, takes = time.monotonic(), 0
            while time.monotonic() - begin < 1.0:
                assert log.take(TakeLimits(timeout_s=0.005)).ends == {0: 0}
                takes += 1
            return takes

        wait_until(lambda: takes_of_a_second() > 25)  # a busy machine may keep it from that for a while


def test_what_is_waited_for_may_change_while_nothing_comes(broker, topic):
    broker.create(topic, 3)
    keys = {partition_of(b"%d" % number, 3): b"%d" % number for number in range(30)}
    with reading(broker, topic, {0: 0}) as log:
        read_to_end(log)
        for name in (1, 2):
            log.seek(name, 0)
            read_to_end(log)
            send(broker, topic, [(keys[name], b"came")])
            wait_until(lambda: bool(log.take(TakeLimits(timeout_s=LIMIT_S)).batches))
        log.reader.pause([1])
        log.take()
        send(broker, topic, [(keys[1], b"not yet"), (keys[0], b"came")])
        wait_until(lambda: bool(log.take(TakeLimits(timeout_s=LIMIT_S)).batches))
        assert log.values() == {0: [b"came"], 1: [b"came"], 2: [b"came"]}


def test_an_end_is_not_claimed_of_a_partition_that_rang_second(broker, topic):
    broker.create(topic, 2)
    with reading(broker, topic) as log:
        read_to_end(log)
        log.take()  # begins to wait for both
        keys = {partition_of(b"%d" % number, 2): b"%d" % number for number in range(30)}
        send(broker, topic, [(keys[0], b"1"), (keys[1], b"2")])
        wait_until(lambda: bool(log.take().batches))
        assert log.values() == {0: [b"1"], 1: [b"2"]}


def test_many_unread_entries_are_estimated_by_their_times(broker, topic, client, stream, monkeypatch):
    monkeypatch.setattr(redis_broker, "COUNTED", 10)
    for number in range(100):
        client.xadd(stream, {"value": "x"}, id=f"{1_000 + number}-0")
    begin = offset_of(b"1000-0")
    assert 90 <= broker.unread(topic, {0: begin})[0] <= 100
    assert 40 <= broker.unread(topic, {0: offset_of(b"1050-0")})[0] <= 60
    assert broker.unread(topic, {0: offset_of(b"1090-0")}) == {0: 10}


@pytest.mark.long
def test_what_a_full_server_refuses_lies_there_whole_or_not_at_all(topic: str):
    with redis_server() as server, closing(open_topics(server.url)) as broker, server.client() as client:
        broker.create(topic, 4)
        client.config_set("maxmemory", client.info("memory")["used_memory"] + (1 << 20))
        with closing(broker.open_writer(topic)) as writer:

            def fill() -> None:
                for _ in range(100):
                    writer.send([(b"%d" % number, bytes(2_000)) for number in range(100)])
                    writer.flush()

            with pytest.raises(StoreError, match="maxmemory"):
                fill()
        taken = sum(client.xlen(stream_key(topic, number)) for number in range(4))
        assert (writer.acknowledged, taken % 100) == (taken, 0)
