"""What holds for topics of every kind: messages, order, positions, ends."""

from __future__ import annotations

import time
from contextlib import closing
from threading import Thread

import pytest

from featurectl.streaming.topics.base import Division, TakeLimits
from featurectl.streaming.topics.faults import NoTopicError, RetentionError, TopicRestartedError, lost_behind
from featurectl.streaming.topics.partitioner import partition_of
from tests.streaming.topics.reading import LIMIT_S, SHORT, ReaderLog, read_to_end, reading, records_of, send, wait_until


@pytest.mark.sample(3)
def test_a_topic_is_made_once_and_may_get_more_partitions(broker, topic):
    first = broker.create(topic, 2)
    assert (first.topic, first.partitions) == (topic, 2)
    assert broker.create(topic, 2) == first == broker.state(topic)
    assert broker.create(topic, 1) == first
    grown = broker.create(topic, 5)
    assert (grown.partitions, grown.incarnation) == (5, first.incarnation)
    assert sorted(broker.watermarks(topic)) == [0, 1, 2, 3, 4]
    assert {(marks.begin, marks.end) for marks in broker.watermarks(topic).values()} == {(0, 0)}


@pytest.mark.sample(8)
@pytest.mark.parametrize("use", ["state", "watermarks", "open_writer", "open_reader"])
def test_a_topic_that_is_not_there_is_an_error_with_a_hint(broker, topic, use):
    broker.create(f"{topic}-other", 1)
    with pytest.raises(NoTopicError, match=f"no topic {topic} at") as caught:
        getattr(broker, use)(topic)
    assert (caught.value.code, "number of partitions" in caught.value.hint) == ("FC607", True)


def test_messages_come_as_they_were_sent_in_the_order_of_their_keys(broker, topic):
    broker.create(topic, 3)
    odd = [(b"\0\xff\n", b""), (b"", b"\0" * 50), (b"k" * 3_000, bytes(range(256)) * 9), ("ключ".encode(), b"{}")]
    sent = [*records_of(keys=20, each=30), *odd]
    send(broker, topic, sent)
    with reading(broker, topic) as log:
        found = read_to_end(log)
    assert sum(map(len, found.values())) == len(sent)
    for partition in range(3):
        wanted = [(key, value) for key, value in sent if partition_of(key, 3) == partition]
        assert [(key, value) for _, key, value in found.get(partition, [])] == wanted


@pytest.mark.sample(2)
def test_messages_without_a_key_are_all_there(broker, topic):
    broker.create(topic, 3)
    sent = [(None, b"%d" % number) for number in range(200)]
    send(broker, topic, sent[:100])
    send(broker, topic, sent[100:])
    with reading(broker, topic) as log:
        found = [message for messages in read_to_end(log).values() for message in messages]
    assert {key for _, key, _ in found} == {None}
    assert sorted(int(value) for _, _, value in found) == list(range(200))


@pytest.mark.sample(2)
def test_small_takes_give_the_same_as_one_and_stay_within_limits(broker, topic):
    broker.create(topic, 2)
    send(broker, topic, records_of(keys=10, each=25))
    with reading(broker, topic) as log:
        whole = read_to_end(log)
    with reading(broker, topic) as log:
        limits = TakeLimits(messages=7, timeout_s=0.05)

        def at_end():
            delivery = log.take(limits)
            assert sum(len(batch.values) for batch in delivery.batches) <= 7
            return log.ends == log.positions

        wait_until(at_end)
        assert log.messages == whole


@pytest.mark.sample(3)
def test_seeking_back_gives_the_same_bytes_again(broker, topic):
    broker.create(topic, 2)
    send(broker, topic, records_of(keys=8, each=20))
    with reading(broker, topic) as log:
        first = {partition: list(messages) for partition, messages in read_to_end(log).items()}
        for partition, messages in first.items():
            half = len(messages) // 2
            log.messages[partition] = messages[:half]
            log.seek(partition, messages[half - 1][0] + 1)  # behind a message: whatever offset the next one has
        assert read_to_end(log) == first
    ends = {partition: marks.end for partition, marks in broker.watermarks(topic).items()}
    assert log.positions == ends


@pytest.mark.sample(4)
def test_a_reader_at_the_end_says_so_and_hears_of_what_comes(broker, topic):
    broker.create(topic, 2)
    with reading(broker, topic) as log, closing(broker.open_writer(topic)) as writer:
        assert read_to_end(log) == {}
        for number in range(20):
            writer.send([(b"key", b"%d" % number)])
            writer.flush(LIMIT_S)
            wait_until(lambda: bool(log.take().batches))
            assert [value for _, _, value in log.messages[partition_of(b"key", 2)]][-1] == b"%d" % number
        read_to_end(log)
        assert log.ends == {partition: marks.end for partition, marks in broker.watermarks(topic).items()}


@pytest.mark.sample(3)
def test_what_is_unread_is_counted_from_positions(broker, kind, topic):
    broker.create(topic, 2)
    assert broker.unread(topic, {0: 0, 1: 0}) == {0: 0, 1: 0}
    send(broker, topic, records_of(keys=10, each=10))
    with reading(broker, topic) as log:
        found = read_to_end(log)
    sizes = {partition: len(messages) for partition, messages in found.items()}
    assert broker.unread(topic, {0: 0, 1: 0}) == sizes
    assert broker.unread(topic, log.positions) == {0: 0, 1: 0}
    assert broker.unread(topic, {1: found[1][7][0]}) == {1: sizes[1] - 7}
    kind.forget_below(topic, {0: found[0][3][0]})
    assert broker.unread(topic, {0: 0}) == {0: sizes[0] - 3}


@pytest.mark.sample(2)
def test_who_reads_which_partition_can_be_seen(broker, topic):
    broker.create(topic, 3)
    group = f"group-{topic}"
    assert not broker.readers(topic, group)
    log = ReaderLog(broker.open_reader(topic, Division(group=group, reader="one", lease_s=7.5)))
    try:
        wait_until(lambda: log.take() is not None and len(log.partitions) == 3)
        found = broker.readers(topic, group)
    finally:
        log.reader.close()
    if found is not None:  # brokers that don't tell
        [(name, seen)] = found.items()
        assert (sorted(seen.partitions), bool(name), seen.seen_s in (None, 0.0)) == ([0, 1, 2], True, True)


def test_a_take_waits_as_long_as_it_is_told(broker, topic):
    broker.create(topic, 1)
    with reading(broker, topic) as log:
        read_to_end(log)
        begin = time.monotonic()
        assert not log.take(TakeLimits(timeout_s=0.2)).batches
        assert 0.15 < time.monotonic() - begin < LIMIT_S


@pytest.mark.sample(2)
def test_what_is_sent_while_a_take_waits_ends_the_wait(broker, kind, topic):
    broker.create(topic, 4)

    def sends():
        time.sleep(0.1)
        with closing(kind.open()) as other:
            send(other, topic, [(b"key", b"value")])

    with reading(broker, topic) as log:
        read_to_end(log)
        sender = Thread(target=sends)
        sender.start()
        wait_until(lambda: bool(log.take(TakeLimits(timeout_s=LIMIT_S)).batches))
        sender.join()
        assert log.values() == {partition_of(b"key", 4): [b"value"]}


@pytest.mark.sample(2)
def test_large_messages_come_whole(broker, topic):
    broker.create(topic, 2)
    values = [bytes([number]) * 1_000_000 for number in range(6)]
    send(broker, topic, [(b"%d" % number, value) for number, value in enumerate(values)])
    with reading(broker, topic) as log:
        found = read_to_end(log, TakeLimits(size=2_000_000, timeout_s=0.05))
    assert sorted(value for messages in found.values() for _, _, value in messages) == values


@pytest.mark.sample(2)
def test_a_paused_partition_gives_nothing_and_keeps_its_place(broker, topic):
    broker.create(topic, 2)
    sent = records_of(keys=10, each=10)
    send(broker, topic, sent)
    with reading(broker, topic) as log:
        log.reader.pause([0])
        wait_until(lambda: not log.take().batches and 1 in log.ends)
        assert (sorted(log.messages), sorted(log.ends), log.positions[0]) == ([1], [1], 0)
        log.seek(0, 0)  # that resumes nothing
        assert not any(log.take().batches for _ in range(3))
        log.reader.resume([0])
        found = read_to_end(log)
    wanted = [value for key, value in sent if partition_of(key, 2) == 0]
    assert [value for _, _, value in found[0]] == wanted


@pytest.mark.sample(3)
def test_a_pause_in_the_middle_of_a_backlog_loses_nothing(broker, topic):
    broker.create(topic, 2)
    sent = records_of(keys=10, each=200)
    send(broker, topic, sent)
    with reading(broker, topic) as log:
        for number in range(12):
            wait_until(lambda: bool(log.take(TakeLimits(messages=20, timeout_s=0.05)).batches))
            log.reader.pause([number % 2])
            log.take(TakeLimits(messages=20, timeout_s=0.05))
            log.reader.resume([number % 2])
        found = read_to_end(log)
    for partition in range(2):
        wanted = [value for key, value in sent if partition_of(key, 2) == partition]
        assert [value for _, _, value in found[partition]] == wanted


@pytest.mark.sample(2)
def test_many_partitions_are_read_together(broker, topic):
    broker.create(topic, 40)
    sent = records_of(keys=300, each=2)
    send(broker, topic, sent)
    with reading(broker, topic) as log:
        found = read_to_end(log)
    assert sum(map(len, found.values())) == len(sent)
    assert sorted(log.positions) == list(range(40))


@pytest.mark.sample(2)
def test_partitions_that_come_are_read_as_well(broker, topic):
    broker.create(topic, 1)
    with reading(broker, topic) as log:
        read_to_end(log)
        broker.create(topic, 3)
        keys = [b"%d" % number for number in range(30)]
        send(broker, topic, [(key, b"x") for key in keys])
        for partition in (1, 2):
            log.seek(partition, 0)
        wait_until(lambda: log.take() is not None and sum(map(len, log.messages.values())) == 30)
    assert {key for messages in log.messages.values() for _, key, _ in messages} == set(keys)


@pytest.mark.sample(2)
def test_what_was_trimmed_is_gone_and_what_was_read_is_not_missed(broker, kind, topic):
    broker.create(topic, 2)
    send(broker, topic, records_of(keys=10, each=10))
    with reading(broker, topic) as log:
        found = read_to_end(log)
        cut = {partition: messages[4][0] for partition, messages in found.items()}
        kind.forget_below(topic, cut)
        assert {partition: marks.begin for partition, marks in broker.watermarks(topic).items()} == cut
        send(broker, topic, [(b"key-0", b"more")])
        wait_until(lambda: bool(log.take().batches))  # an end that is told may be one of a moment ago
    with reading(broker, topic) as again:
        assert read_to_end(again) == {
            partition: [message for message in messages if message[0] >= cut[partition]]
            for partition, messages in log.messages.items()
        }


def test_a_partition_without_messages_is_trimmed_to_its_end(broker, topic):
    broker.create(topic, 2)
    with reading(broker, topic) as log:
        read_to_end(log)
        broker.trim(topic, {0: 0, **log.positions}, time.time_ns() // 1_000)
        send(broker, topic, records_of(keys=3, each=2))
        wait_until(lambda: log.take() is not None and sum(map(len, log.messages.values())) == 6)


@pytest.mark.sample(2)
def test_what_was_sent_before_an_instant_is_trimmed(broker, topic):
    broker.create(topic, 1)
    send(broker, topic, records_of(keys=3, each=5))
    time.sleep(0.01)
    between_us = time.time_ns() // 1_000
    time.sleep(0.01)
    send(broker, topic, [(b"a", b"more")])
    with reading(broker, topic) as log:
        offsets = [offset for offset, _, _ in read_to_end(log)[0]]
        before = broker.watermarks(topic)[0].begin
        trims = broker.trim(topic, {0: offsets[-1] + 1}, between_us - 3_600_000_000)
        assert broker.watermarks(topic)[0].begin == before  # nothing is so old
        broker.trim(topic, {0: offsets[3]}, between_us)
        assert not trims or broker.watermarks(topic)[0].begin == offsets[3]
        broker.trim(topic, {0: offsets[-1] + 1}, between_us)
        assert not trims or broker.watermarks(topic)[0].begin == offsets[-1]
        send(broker, topic, [(b"a", b"last")])
        read_to_end(log)  # which had read what is gone
    if trims:
        with reading(broker, topic, {0: offsets[1]}) as late, pytest.raises(RetentionError, match="now begins at"):
            wait_until(lambda: late.take() is None)


@pytest.mark.sample(2)
def test_all_that_was_read_may_be_trimmed(broker, kind, topic):
    broker.create(topic, 1)
    send(broker, topic, records_of(keys=3, each=5))
    with reading(broker, topic) as log:
        read_to_end(log)
        kind.forget_below(topic, dict(log.positions))
        position = log.positions[0]
        assert broker.watermarks(topic)[0].end == log.positions[0]
        send(broker, topic, [(b"a", b"more")])
        wait_until(lambda: bool(log.take().batches))
        assert log.values()[0][-1] == b"more"
    assert lost_behind(topic, 0, broker.watermarks(topic)[0], position) is None
    assert lost_behind(topic, 0, broker.watermarks(topic)[0], position - 1) is not None
    with reading(broker, topic) as again:
        assert [value for _, _, value in read_to_end(again)[0]] == [b"more"]


@pytest.mark.sample(4)
def test_messages_that_were_trimmed_unread_are_an_error_that_counts_them(broker, kind, topic):
    broker.create(topic, 2)
    send(broker, topic, records_of(keys=10, each=10))
    with reading(broker, topic) as log:
        offsets = [offset for offset, _, _ in read_to_end(log)[1]]
    kind.forget_below(topic, {1: offsets[20]})
    with reading(broker, topic, {0: 0, 1: offsets[5]}) as late:
        with pytest.raises(RetentionError) as caught:
            wait_until(lambda: late.take() is None)
        error = caught.value
        assert (error.partition, error.position, error.begin) == (1, offsets[5], offsets[20])
        assert error.lost >= 15
        seen = lost_behind(topic, 1, broker.watermarks(topic)[1], offsets[5])
        assert seen is not None
        assert seen.message == error.message
        assert lost_behind(topic, 1, broker.watermarks(topic)[1], offsets[20]) is None
        assert f"topic {topic}, partition 1 are gone" in error.message
        assert "retention" in error.hint
        with pytest.raises(RetentionError):  # as long as nobody does something
            wait_until(lambda: late.take() is None)
        assert late.reader.position(1) == offsets[5]
        late.seek(1, offsets[20])
        found = read_to_end(late)
    assert [offset for offset, _, _ in found[1]] == offsets[20:]
    assert len(found[0]) == 100 - len(offsets)


@pytest.mark.sample(2)
def test_an_end_below_a_position_is_an_error_that_names_both(broker, topic):
    broker.create(topic, 1)
    send(broker, topic, records_of(keys=3, each=5))
    end = broker.watermarks(topic)[0].end
    with reading(broker, topic, {0: end + 5}) as log, pytest.raises(TopicRestartedError) as caught:
        wait_until(lambda: log.take() is None)
    assert (caught.value.partition, caught.value.position, caught.value.end) == (0, end + 5, end)
    assert "featurectl stream reset SOURCE" in caught.value.hint


@pytest.mark.sample(1)
def test_a_topic_that_was_made_again_is_another_one(broker, kind, topic):
    before = broker.create(topic, 1)
    send(broker, topic, records_of(keys=3, each=5))
    with reading(broker, topic) as log:
        read_to_end(log)
        kind.remove(topic)
        after = broker.create(topic, 1)
        assert after.incarnation != before.incarnation or not after.incarnation  # the Kafka of tests tells none
        with pytest.raises(TopicRestartedError):
            wait_until(lambda: log.take(SHORT) is None)
    with reading(broker, topic) as again:
        assert read_to_end(again) == {}
