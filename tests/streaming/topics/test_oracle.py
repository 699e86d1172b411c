"""Any mixture of sends, takes, seeks and trims, against lists: nothing twice, nothing skipped, losses told."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import RetentionError
from featurectl.streaming.topics.partitioner import partition_of

PARTITIONS = 2
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 12)),
        st.tuples(st.just("take"), st.integers(1, 9)),
        st.tuples(st.just("trim"), st.integers(0, PARTITIONS - 1), st.floats(0, 1)),
        st.tuples(st.just("back"), st.integers(0, PARTITIONS - 1), st.floats(0, 1)),
        st.tuples(st.just("pause"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("resume"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("reopen")),
    ),
    max_size=25,
)


class Played:
    """One reader of one topic, and lists of what each partition has: what was sent, trimmed, read."""

    def __init__(self, broker, topic, *, may_lag):
        self.may_lag = may_lag  # whether the end that is told may be one of a moment ago
        self.broker, self.topic = broker, topic
        broker.create(topic, PARTITIONS)
        self.writer, self.reader = broker.open_writer(topic), broker.open_reader(topic)
        self.sent = [[] for _ in range(PARTITIONS)]
        self.offsets = [[] for _ in range(PARTITIONS)]  # as far as they were seen
        self.trimmed, self.index, self.paused = [0] * PARTITIONS, [0] * PARTITIONS, set()
        for name in range(PARTITIONS):
            self.reader.seek(name, 0)

    def close(self):
        self.writer.close()
        self.reader.close()

    def send(self, count):
        for _ in range(count):
            number = sum(map(len, self.sent))
            key = b"%d" % (number % 5)
            self.writer.send([(key, b"%d" % number)])
            self.sent[partition_of(key, PARTITIONS)].append(b"%d" % number)
        self.writer.flush()

    def take(self, messages, timeout_s=0.001):
        lost = [name for name in range(PARTITIONS) if self.trimmed[name] > self.index[name]]
        lost = [name for name in lost if name not in self.paused]
        if lost:
            with pytest.raises(RetentionError) as caught:
                self.reader.take(TakeLimits(messages=messages, timeout_s=timeout_s))
            name = caught.value.partition
            assert name in lost
            assert caught.value.lost >= self.trimmed[name] - self.index[name]
            self.reader.seek(name, caught.value.begin)
            self.index[name] = self.trimmed[name]
            return None
        delivery = self.reader.take(TakeLimits(messages=messages, timeout_s=timeout_s))
        for batch in delivery.batches:
            self.heard(batch)
        for name in delivery.ends:
            assert name not in self.paused
            assert self.index[name] == len(self.sent[name]) or self.may_lag
        return delivery

    def heard(self, batch):
        name, start = batch.partition, self.index[batch.partition]
        assert name not in self.paused
        assert list(batch.values) == self.sent[name][start : start + len(batch.values)]
        known = self.offsets[name]
        for at, offset in enumerate(batch.offsets, start):
            if at < len(known):
                assert known[at] in (None, offset)
                known[at] = offset
            else:
                known += [None] * (at - len(known)) + [offset]
        self.index[name] += len(batch.values)

    def trim(self, name, share):
        """Trim below an offset that was seen, read or unread by now."""
        at = int(share * len(self.offsets[name]))
        offset = self.offsets[name][at] if at < len(self.offsets[name]) else None
        if offset is not None and self.broker.trim(self.topic, {name: offset}):
            self.trimmed[name] = max(self.trimmed[name], at)

    def back(self, name, share):
        at = int(share * len(self.offsets[name]))
        if at < len(self.offsets[name]) and self.offsets[name][at] is not None:
            self.reader.seek(name, self.offsets[name][at])
            self.index[name] = at

    def pause(self, name):
        self.reader.pause([name])
        self.paused.add(name)

    def resume(self, name):
        self.reader.resume([name])
        self.paused.discard(name)

    def reopen(self):
        """Go on with a reader that knows nothing but positions."""
        positions = {name: self.reader.position(name) for name in range(PARTITIONS)}
        self.reader.close()
        self.reader = self.broker.open_reader(self.topic)
        for name, position in positions.items():
            self.reader.seek(name, position)
        self.paused.clear()

    def finish(self):
        self.resume(0)
        self.resume(1)
        while True:
            delivery = self.take(1_000, timeout_s=0.02)
            if delivery is not None and len(delivery.ends) == PARTITIONS and self.is_whole():
                return

    def is_whole(self):
        return [len(sent) for sent in self.sent] == self.index or not self.may_lag


def play(url, steps):
    with ExitStack() as stack:
        broker = stack.enter_context(closing(open_topics(url)))
        may_lag = url.startswith("kafka")
        played = stack.enter_context(closing(Played(broker, f"t-{uuid.uuid4().hex}", may_lag=may_lag)))
        for step, *arguments in steps:
            getattr(played, step)(*arguments)
        played.finish()


@pytest.fixture(scope="module")
def file_url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('topics') / 'streams.db'}"


@pytest.mark.long
@settings(max_examples=40)
@given(steps=STEPS)
def test_a_file_gives_what_lists_would(file_url, steps):
    play(file_url, steps)


@settings(max_examples=20)
@given(steps=STEPS)
def test_redis_gives_what_lists_would(redis_url, steps):
    play(redis_url, steps)


@pytest.mark.long
@settings(max_examples=20)
@given(steps=STEPS)
def test_kafka_gives_what_lists_would(kafka_url, steps):
    play(kafka_url, steps)


@pytest.mark.long
@settings(max_examples=40)
@given(steps=STEPS)
def test_a_cluster_gives_what_lists_would(redis_cluster_url, steps):
    play(redis_cluster_url, steps)


@pytest.mark.stress
@settings(max_examples=2_000)
@given(steps=STEPS)
def test_many_histories_of_redis_are_those_of_lists(redis_url, steps):
    play(redis_url, steps)


@pytest.mark.stress
@settings(max_examples=2_000)
@given(steps=STEPS)
def test_many_histories_of_a_file_are_those_of_lists(file_url, steps):
    play(file_url, steps)


@pytest.mark.stress
@settings(max_examples=200)
@given(steps=STEPS)
def test_many_histories_of_kafka_are_those_of_lists(kafka_url, steps):
    play(kafka_url, steps)
