"""What holds for the writers of topics of every kind."""

from __future__ import annotations

from contextlib import closing
from threading import Thread

import pytest

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.streaming.topics.partitioner import partition_of
from tests.streaming.topics.reading import LIMIT_S, read_to_end, reading, records_of, wait_until


@pytest.mark.sample(2)
def test_an_empty_flush_is_one(broker, topic):
    broker.create(topic, 1)
    with closing(broker.open_writer(topic)) as writer:
        assert writer.flush() == 0
        writer.send([])
        assert writer.flush() == 0


def test_what_was_sent_is_delivered_without_a_flush(broker, topic):
    broker.create(topic, 2)
    with closing(broker.open_writer(topic)) as writer:
        assert writer.deliver()
        writer.send(records_of(keys=5, each=4))
        wait_until(writer.deliver)
        assert (writer.acknowledged, writer.flush()) == (20, 20)
    with reading(broker, topic) as log:
        assert sum(map(len, read_to_end(log).values())) == 20


@pytest.mark.sample(3)
def test_two_senders_at_once_lose_and_reorder_nothing(broker, kind, topic):
    broker.create(topic, 2)
    sent = {
        name: [(b"key-%d" % (number % 5), b"%s-%d" % (name, number)) for number in range(400)] for name in (b"a", b"b")
    }

    def sends(name):
        with closing(kind.open()) as other, closing(other.open_writer(topic)) as writer:
            for start in range(0, 400, 20):
                writer.send(sent[name][start : start + 20])
                writer.flush(LIMIT_S)

    threads = [Thread(target=sends, args=(name,)) for name in sent]
    for thread in threads:
        thread.start()
    with reading(broker, topic) as log:
        wait_until(lambda: log.take() is not None and sum(map(len, log.messages.values())) >= 800)
        read_to_end(log)
    for thread in threads:
        thread.join()
    for name, records in sent.items():
        for partition in range(2):
            wanted = [value for key, value in records if partition_of(key, 2) == partition]
            assert [value for value in log.values()[partition] if value.startswith(name)] == wanted


@pytest.mark.sample(2)
def test_a_writer_to_a_topic_that_went_away_says_so(broker, kind, topic):
    broker.create(topic, 1)
    with closing(broker.open_writer(topic)) as writer:
        writer.send([(b"a", b"1")])
        writer.flush(LIMIT_S)
        kind.remove(topic)
        for asks in (lambda: writer.flush(5), lambda: wait_until(lambda: writer.deliver(5))):
            writer.send([(b"a", b"2")])
            with pytest.raises(StoreError, match=topic):
                asks()
        assert writer.acknowledged == 1


@pytest.mark.sample(3)
@pytest.mark.parametrize("waits", [True, False])
def test_messages_that_are_too_large_are_named_and_no_other_is_lost(broker, kind, topic, monkeypatch, waits):
    kind.create_limited(topic, 2_000, monkeypatch)
    records = [(b"k", b"%03d" % number + b"x" * (5_000 if number % 7 == 3 else 100)) for number in range(100)]
    wanted = [record for record in records if len(record[1]) < 2_000]
    with closing(broker.open_writer(topic)) as writer:
        for turn in (1, 2):
            writer.send(records)
            with pytest.raises(MessageTooLargeError, match=f"14 messages of up to 5,004 bytes: .* {topic}") as caught:
                writer.flush(LIMIT_S) if waits else wait_until(lambda: writer.deliver(LIMIT_S))
            assert sorted(caught.value.records) == [record for record in records if len(record[1]) > 2_000]
            assert caught.value.limit in (2_000, 2_200)
            assert writer.acknowledged == turn * len(wanted)
        writer.send(wanted)
        assert writer.flush(LIMIT_S) == 3 * len(wanted)
    with reading(broker, topic) as log:
        found = [(key, value) for of in read_to_end(log).values() for _, key, value in of]
    assert sorted(found) == sorted(3 * wanted)
