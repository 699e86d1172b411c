"""Readers of one group divide the partitions of a topic: one joins, one leaves, one dies."""

from __future__ import annotations

from contextlib import ExitStack, closing

import pytest

from tests.streaming.topics.reading import member, read_to_end, reading, records_of, send, wait_until


@pytest.fixture
def filled(broker, topic):
    broker.create(topic, 4)
    send(broker, topic, records_of(keys=40, each=5))
    return topic


def shared(logs, sizes):
    """Take with all readers until they have so many partitions each, all of them together, and none twice."""

    def divided():
        for log in logs:
            log.take()
        held = [partition for log in logs for partition in log.partitions]
        return sorted(held) == list(range(4)) and sorted(len(log.partitions) for log in logs) == sizes

    wait_until(divided)


def all_messages(logs):
    return {message for log in logs for partition, found in log.messages.items() for message in found}


@pytest.mark.sample(2)
def test_one_reader_of_a_group_has_all_partitions(broker, filled):
    log = member(broker, filled, "a")
    with closing(log.reader):
        shared([log], [4])
        read_to_end(log)
        with reading(broker, filled) as alone:
            assert read_to_end(alone) == log.messages


@pytest.mark.sample(3)
def test_readers_that_join_leave_and_join_again_share_the_partitions(broker, filled):
    a, b = member(broker, filled, "a"), member(broker, filled, "b")
    with ExitStack() as stack:
        stack.callback(a.reader.close)
        shared([a], [4])
        stack.callback(b.reader.close)
        shared([a, b], [2, 2])
        send(broker, filled, [(b"key-%d" % number, b"later") for number in range(40)])
        wait_until(lambda: bool(a.take() and b.take()) and len(all_messages([a, b])) == 240)
        b.reader.close()
        shared([a], [4])
        with reading(broker, filled) as alone:
            assert set().union(*read_to_end(alone).values()) == all_messages([a, b])


@pytest.mark.sample(1)
def test_partitions_of_a_reader_that_died_go_to_the_others(broker, filled):
    a, b = member(broker, filled, "a"), member(broker, filled, "b")
    with closing(a.reader), closing(b.reader):
        shared([a, b], [2, 2])
        shared([a], [4])  # `b` takes no more, as if it were killed


@pytest.mark.sample(1)
def test_a_reader_that_slept_hears_what_it_has_no_more(broker, filled):
    a, b = member(broker, filled, "a"), member(broker, filled, "b")
    with closing(a.reader), closing(b.reader):
        shared([a, b], [2, 2])
        shared([a], [4])
        shared([a, b], [2, 2])


@pytest.mark.sample(2)
def test_a_partition_that_was_revoked_is_not_sought_again(broker, filled):
    a, b = member(broker, filled, "a"), member(broker, filled, "b")
    with closing(a.reader), closing(b.reader):
        shared([a], [4])
        shared([a, b], [2, 2])
        gone = next(iter(b.partitions))
        a.reader.seek(gone, 0)
        assert a.reader.position(gone) is None


@pytest.mark.sample(1)
def test_a_group_hears_of_partitions_that_come(broker, topic):
    broker.create(topic, 1)
    log = member(broker, topic, "a")
    with closing(log.reader):
        wait_until(lambda: log.take() is not None and log.partitions == {0})
        broker.create(topic, 3)
        wait_until(lambda: log.take() is not None and log.partitions == {0, 1, 2})
