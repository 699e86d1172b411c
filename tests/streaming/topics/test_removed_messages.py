"""Messages that are removed from the middle of a topic: readers pass them, and no byte of them is left in the file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from featurectl.streaming.topics.base import TakeLimits, TopicBroker
from featurectl.streaming.topics.sqlite.broker import SqliteTopics


def test_a_broker_removes_single_messages_or_says_that_it_can_not(broker: TopicBroker, topic: str):
    broker.create(topic, 1)
    with closing(broker.open_writer(topic)) as writer:
        writer.send([(b"k", value) for value in (b"a", b"x", b"b", b"x", b"c", b"x")])
        writer.flush()
    marks = broker.watermarks(topic)
    found = broker.remove_messages(topic, lambda _key, value, _sent: value == b"x", dry_run=True)
    removed = broker.remove_messages(topic, lambda _key, value, _sent: value == b"x")
    assert found == removed
    assert removed in (3, None)
    assert broker.watermarks(topic) == marks
    values: list[bytes] = []
    with closing(broker.open_reader(topic)) as reader:
        reader.seek(0, marks[0].begin)
        while reader.position(0) != marks[0].end:
            for batch in reader.take(TakeLimits(messages=2, timeout_s=1.0)).batches:
                values += batch.values
    assert values == ([b"a", b"b", b"c"] if removed else [b"a", b"x", b"b", b"x", b"c", b"x"])


def test_no_byte_of_a_removed_message_is_left_in_the_file(tmp_path: Path):
    with closing(SqliteTopics(tmp_path / "streams.db", "here", 10.0)) as broker:
        broker.create("t", 2)
        with closing(broker.open_writer("t")) as writer:
            writer.send([(b"k%d" % i, b"canary-%d" % (i % 3)) for i in range(300)])
            writer.flush()
        assert broker.remove_messages("t", lambda _key, value, _sent: value == b"canary-1") == 100
        found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert (b"canary-1" in found, b"canary-2" in found) == (False, True)
        assert broker.remove_messages("t", lambda _key, value, _sent: value == b"canary-1") == 0
