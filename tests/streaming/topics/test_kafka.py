"""What is Kafka's own: its addresses, transactions, sizes, groups, and brokers that go away."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from featurectl.core.errors import NoAnswerError, StoreError, UsageError
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Division, TakeLimits, TopicState
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.streaming.topics.kafka import writer as writer_module
from featurectl.streaming.topics.kafka.address import parse_kafka_url
from featurectl.streaming.topics.kafka.admin import KafkaAdmin
from featurectl.streaming.topics.kafka.liveness import BrokerLiveness
from featurectl.streaming.topics.kafka.reader import KafkaTopicReader
from tests.servers.kafka import KafkaServer, kafka_server, mocked_brokers
from tests.streaming.topics.kinds import KafkaKind
from tests.streaming.topics.reading import (
    LIMIT_S,
    ReaderLog,
    read_to_end,
    reading,
    records_of,
    send,
    wait_until,
)


@pytest.fixture(scope="module")
def own_server():
    with kafka_server() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("kafka://h", {"bootstrap.servers": "h:9092", "security.protocol": "plaintext"}),
        ("kafka://h:1,[::1]:2/", {"bootstrap.servers": "h:1,[::1]:2"}),
        ("kafka://h?ca=ca.pem", {"security.protocol": "ssl", "ssl.ca.location": "ca.pem"}),
        (
            "kafka://h?cert=c.pem&key=k.pem&key_password=p%26w&check_hostname=no",
            {
                "security.protocol": "ssl",
                "ssl.certificate.location": "c.pem",
                "ssl.key.location": "k.pem",
                "ssl.key.password": "p&w",
                "ssl.endpoint.identification.algorithm": "none",
            },
        ),
        (
            "kafka://ana:p%40s:s@h:9093",
            {
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "ana",
                "sasl.password": "p@s:s",
            },
        ),
        (
            "kafka://ana:pw@h?security=sasl_plaintext&mechanism=SCRAM-SHA-512",
            {"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512"},
        ),
    ],
)
def test_a_url_says_how_to_connect(url, wanted):
    settings = parse_kafka_url(url, "shown", 10).settings
    assert {name: settings.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("kafka://", "no URL of Kafka"),
        ("kafka://ana:secret@h:port", "no URL of Kafka"),
        ("kafka://h:1,,h:2", "no URL of Kafka"),
        ("kafka://h?sasl.password=secret", "a parameter 'sasl.password' that is not known"),
        ("kafka://h?security=tls", "a value of 'security' that is not known"),
        ("kafka://h?assignment=sticky", "a value of 'assignment' that is not known"),
        ("kafka://h?check_hostname=maybe", "a value of 'check_hostname' that is not known"),
    ],
)
def test_a_url_that_is_none_says_what_it_may_be(url, problem):
    with pytest.raises(UsageError, match=problem) as caught:
        open_topics(url)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_file_of_the_address_that_is_not_there_is_named(topic):
    with (
        closing(open_topics("kafka://127.0.0.1:1?ca=gone.pem")) as broker,
        pytest.raises(UsageError, match=r"gone\.pem"),
    ):
        broker.state(topic)


@pytest.mark.long
def test_marks_of_transactions_are_passed_and_the_end_is_known(kafka_url, topic):
    with closing(open_topics(kafka_url)) as broker:
        broker.create(topic, 1)
        with reading(broker, topic) as log:
            read_to_end(log)
            for value in (b"no", b"yes"):
                name = f"{topic}-{value.decode()}"  # one each: the broker of tests tells of aborted ones too long
                producer = Producer(
                    {"bootstrap.servers": kafka_url.removeprefix("kafka://"), "transactional.id": name, "log_level": 0}
                )
                producer.init_transactions(LIMIT_S)
                producer.begin_transaction()
                for _ in range(3):
                    producer.produce(topic, value=value, partition=0)
                producer.flush(LIMIT_S)
                log.take()
                assert not log.values().get(0), "an open transaction is not read"
                (producer.commit_transaction if value == b"yes" else producer.abort_transaction)(LIMIT_S)
            wait_until(lambda: log.take() is not None and len(log.values().get(0, [])) == 3)
            wait_until(lambda: log.take() is not None and log.positions[0] == broker.watermarks(topic)[0].end)
            assert log.values() == {0: [b"yes"] * 3}
            assert log.positions[0] > log.messages[0][-1][0] + 1
            send(broker, topic, [(b"key", b"more")])
            wait_until(lambda: log.take() is not None and log.values()[0][-1] == b"more")


@pytest.mark.long
def test_a_message_that_is_too_large_is_an_error(kafka_url, topic):
    with closing(open_topics(kafka_url)) as broker:
        broker.create(topic, 1)
        with closing(broker.open_writer(topic)) as writer:
            writer.send([(b"key", b"x" * (101 << 20))])
            with pytest.raises(MessageTooLargeError, match="1 message of up to 105,906,179 bytes: too large"):
                writer.flush(LIMIT_S)
            writer.send([(b"key", b"fits")])
            assert writer.flush(LIMIT_S) == 1


@pytest.mark.sample(1)
@pytest.mark.parametrize("step", ["_batches", "_hear"])
def test_a_call_that_is_ended_in_between_loses_nothing(kafka_url, topic, monkeypatch, step):
    with closing(open_topics(kafka_url)) as broker:
        broker.create(topic, 1)
        send(broker, topic, records_of(keys=1, each=50))
        with reading(broker, topic) as log:
            with monkeypatch.context() as patched:
                patched.setattr(KafkaTopicReader, step, ended)
                with pytest.raises(KeyboardInterrupt):
                    wait_until(lambda: log.take(TakeLimits(messages=20, timeout_s=1)) is None)
            assert len(read_to_end(log)[0]) == 50


@pytest.mark.long
def test_a_broker_that_hangs_takes_nothing_and_holds_nobody_up(own_server, topic):
    with closing(open_topics(own_server.url)) as broker:
        broker.create(topic, 1)
        with closing(broker.open_writer(topic)) as writer:
            writer.send([(b"a", b"1")])
            wait_until(writer.deliver)
            own_server.pause()
            try:
                writer.send([(b"a", b"2")])
                assert not writer.deliver()
                with pytest.raises(NoAnswerError, match=r"have not taken 1 messages to topic .* within 0.1 s"):
                    wait_until(lambda: writer.deliver(0.1))
            finally:
                own_server.resume()
            writer.send([(b"a", b"3")])
            wait_until(writer.deliver)
            assert writer.acknowledged == 2


@pytest.mark.long
def test_what_was_sent_later_is_not_late_by_what_brokers_have_taken_before(own_server, topic, monkeypatch):
    now = [100.0]
    with closing(open_topics(own_server.url)) as broker:
        broker.create(topic, 1)
        with closing(broker.open_writer(topic)) as writer:
            monkeypatch.setattr(writer_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
            writer.send([(b"a", b"1")])
            while len(writer._producer):  # noqa: SLF001
                writer._producer.poll(0.01)  # noqa: SLF001
            own_server.pause()
            try:
                now[0] += 3
                writer.send([(b"a", b"2")])
                now[0] += 1
                assert not writer.deliver(2)
                now[0] += 2
                with pytest.raises(NoAnswerError, match="have not taken 1 messages"):
                    writer.deliver(2)
            finally:
                own_server.resume()


def ended(*_):
    """What Ctrl-C does, or a question to a broker that is away."""
    raise KeyboardInterrupt


def test_a_null_value_of_another_producer_is_an_empty_one(kafka_url, topic):
    with closing(open_topics(kafka_url)) as broker:
        broker.create(topic, 1)
        producer = Producer({"bootstrap.servers": kafka_url.removeprefix("kafka://"), "log_level": 0})
        producer.produce(topic, key=b"key", value=None)
        producer.produce(topic, key="text", value="text")
        producer.flush(LIMIT_S)
        with reading(broker, topic) as log:
            assert [message[1:] for message in read_to_end(log)[0]] == [(b"key", b""), (b"text", b"text")]


@pytest.mark.long
def test_what_was_committed_is_seen_by_the_brokers_tools(kafka_url, topic):
    with closing(open_topics(f"{kafka_url}?assignment=range")) as broker:
        broker.create(topic, 2)
        send(broker, topic, records_of(keys=10, each=2))
        log = ReaderLog(broker.open_reader(topic, Division(group=topic, reader="a")))
        with closing(log.reader):
            wait_until(lambda: log.take() is not None and log.partitions == {0, 1})
            read_to_end(log)
            log.reader.commit(log.positions)
            tool = Consumer({"bootstrap.servers": kafka_url.removeprefix("kafka://"), "group.id": topic})

            def committed():
                places = tool.committed([TopicPartition(topic, name) for name in (0, 1)], LIMIT_S)
                return {place.partition: place.offset for place in places} == log.positions

            wait_until(committed)
            tool.close()


@pytest.mark.long
def test_a_reader_goes_on_when_its_broker_is_back(own_server, topic):
    with closing(open_topics(own_server.url, limit_s=20)) as broker:
        broker.create(topic, 2)
        send(broker, topic, records_of(keys=10, each=2))
        with reading(broker, topic) as log:
            read_to_end(log)
            own_server.stop()
            with pytest.raises(NoAnswerError, match="can't be reached"):
                wait_until(lambda: log.take() is None)
            own_server.start()
            send(broker, topic, records_of(keys=10, each=1))

            def is_read():
                try:
                    log.take()
                except NoAnswerError:
                    return False
                return sum(map(len, log.messages.values())) == 30

            wait_until(is_read)


@pytest.mark.long
def test_a_broker_that_hangs_is_told_and_ends_are_not_claimed(own_server, topic):
    with closing(open_topics(own_server.url, limit_s=8)) as broker:
        broker.create(topic, 1)
        with reading(broker, topic) as log, closing(broker.open_writer(topic)) as writer:
            writer.send([(b"a", b"1")])
            writer.flush(LIMIT_S)
            read_to_end(log)
            own_server.pause()
            try:
                wait_until(lambda: not log.take().ends)
                with pytest.raises(NoAnswerError):
                    wait_until(lambda: log.take() is None)
                writer.send([(b"a", b"2")])
                with pytest.raises(StoreError, match=r"have not taken 1 messages to topic .* within 0.2 s"):
                    writer.flush(0.2)
                with pytest.raises(NoAnswerError):
                    broker.state(topic)
            finally:
                own_server.resume()
            writer.send([(b"a", b"3")])
            assert writer.flush(LIMIT_S) == 2

            def is_read():
                try:
                    log.take()
                except NoAnswerError:
                    return False
                return b"3" in log.values()[0]

            wait_until(is_read)


def test_brokers_answer_by_what_the_client_counts():
    clock = [100.0]
    liveness = BrokerLiveness("t", lambda: clock[0])
    counts = (
        '{"brokers": {"b": {"state": "%s", "nodeid": 1, "rxidle": %d}},'
        ' "topics": {"t": {"partitions": {"0": {"leader": 1}}}}}'
    )
    liveness.answered([0])
    for later, state, idle, is_fresh in ((1, "UP", 5_000, True), (2, "UP", 9_000_000, False), (1, "DOWN", 0, False)):
        clock[0] += later
        liveness.read_counts(counts % (state, idle))
        assert liveness.is_fresh(0) == is_fresh
    assert liveness.silent_s(0) == 3
    liveness.read_counts(counts % ("UP", 0))
    assert liveness.is_fresh(0)


@pytest.mark.long
def test_cooperative_readers_join_and_leave_and_keep_what_they_have():
    """On librdkafka's own mock of brokers, which waits seconds before it divides: the broker of tests can't do it."""
    with mocked_brokers() as url:
        topic = "swipes"
        producer = Producer({"bootstrap.servers": url.removeprefix("kafka://"), "partitioner": "murmur2_random"})
        for key, value in records_of(keys=40, each=2):
            producer.produce(topic, key=key, value=value)
        producer.flush(LIMIT_S)
        address = parse_kafka_url(url, url, LIMIT_S)  # the mock does not tell what a topic is
        state = TopicState(topic=topic, partitions=4, incarnation="")
        a, b = (ReaderLog(KafkaTopicReader(address, state, Division(group="g", reader=name))) for name in "ab")
        with closing(a.reader):
            wait_until(lambda: a.take() is not None and len(a.partitions) == 4)
            with closing(b.reader):
                wait_until(lambda: bool(a.take() and b.take()) and len(a.partitions) == len(b.partitions) == 2)
                assert a.partitions | b.partitions == {0, 1, 2, 3}
                wait_until(lambda: a.take(TakeLimits(timeout_s=0.1)) is not None and len(a.ends) == 2)
            wait_until(lambda: a.take() is not None and len(a.partitions) == 4)
            read_to_end(a)
        assert sum(map(len, a.messages.values())) >= 80


def test_messages_go_apart_where_brokers_do_not_tell_how_large_they_may_be(
    own_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    monkeypatch.setattr(KafkaAdmin, "message_limit", lambda _, topic: asked.append(topic))
    kind = KafkaKind(own_server.url)
    kind.create_limited("untold", 2_000, monkeypatch)
    records = [(b"k", b"%03d" % number + b"x" * (5_000 if number == 30 else 100)) for number in range(60)]
    with closing(kind.open()) as broker, closing(broker.open_writer("untold")) as writer:
        for turn in (1, 2, 3):
            writer.send(records)
            with pytest.raises(MessageTooLargeError) as caught:
                writer.flush(LIMIT_S)
            assert (caught.value.limit, caught.value.records) == (None, [records[30]])
            assert caught.value.message.endswith(f"too large for topic untold at {broker.shown}")
            assert writer.acknowledged == turn * 59
    assert asked == ["untold"]


@pytest.mark.long
def test_what_the_client_takes_for_too_large_is_named_with_the_rest(
    own_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
):
    settings = {**writer_module._SETTINGS, "message.max.bytes": 2_000}  # noqa: SLF001
    monkeypatch.setattr(writer_module, "_SETTINGS", settings)
    with closing(KafkaKind(own_server.url).open()) as broker:
        broker.create("untaken", 1)
        with closing(broker.open_writer("untaken")) as writer:
            writer.send([(b"k", b"x" * 5_000)])
            with pytest.raises(MessageTooLargeError, match="1 message of up to 5,001 bytes: "):
                writer.deliver()
            writer.send([(b"k", b"a"), (b"k", b"x" * 5_000), (b"k", b"b")])
            with pytest.raises(MessageTooLargeError):
                wait_until(writer.deliver)
            assert writer.flush() == 2
