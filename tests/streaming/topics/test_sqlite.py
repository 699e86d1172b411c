"""What is the file's own: senders that are killed, full disks, locks, versions, other files, other programs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import NoTopicError, TopicRestartedError
from tests.streaming.topics.reading import LIMIT_S, SHORT, read_to_end, reading, records_of, send, wait_until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "streams.db"


@pytest.fixture
def broker(path):
    with closing(open_topics(f"sqlite:///{path}", limit_s=0.2)) as opened:
        yield opened


@contextmanager
def connected(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def started(*words):
    return subprocess.Popen([sys.executable, "-m", "tests.streaming.topics.senders", *words], stdout=subprocess.PIPE)


@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.long)])
def test_a_sender_that_is_killed_leaves_whole_batches(broker, path, count):
    broker.create("t", 1)
    told = 0
    for _ in range(count):
        with started("send", str(path)) as process:
            told += 1 + int(process.stdout.readline())
            process.kill()
    with reading(broker, "t") as log:
        messages = read_to_end(log)[0]
    assert [offset for offset, _, _ in messages] == list(range(len(messages)))
    assert len(messages) % 7 == 0
    assert len(messages) >= told * 7
    assert all(len({value for _, _, value in messages[at : at + 7]}) == 1 for at in range(0, len(messages), 7))


def test_a_full_disk_is_an_error_and_leaves_no_half_of_a_batch(broker, path):
    broker.create("t", 1)
    with started("fill", str(path), "200000") as process:
        assert process.wait(LIMIT_S) == 3
    with reading(broker, "t") as log:
        messages = read_to_end(log)[0]
    assert messages
    assert len(messages) % 5 == 0
    send(broker, "t", [(b"key", b"room again")])
    assert broker.watermarks("t")[0].end == len(messages) + 1


def test_a_file_of_a_newer_version_is_refused(broker, path):
    with connected(path) as connection:
        connection.execute("pragma user_version = 2")
    with pytest.raises(StoreError, match="were made by a newer version") as caught:
        broker.create("t", 1)
    assert caught.value.code == "FC606"


def test_looking_for_a_topic_makes_no_file(broker, path):
    for use in (broker.state, broker.watermarks, broker.open_reader, broker.open_writer):
        with pytest.raises(NoTopicError):
            use("t")
    assert not path.exists()


def test_a_file_that_is_none_says_what_to_look_at(broker, path):
    path.write_text("no database " * 100)
    with pytest.raises(StoreError, match="file is not a database") as caught:
        broker.state("t")
    assert "`streams:`" in caught.value.hint


def test_a_sender_waits_for_another_one_no_longer_than_the_limit(broker, path):
    broker.create("t", 1)
    with reading(broker, "t") as log, closing(broker.open_writer("t")) as writer, connected(path) as other:
        other.execute("begin immediate")
        writer.send([(b"key", b"1")])
        with pytest.raises(StoreError, match="has been writing to the topics"):
            writer.flush()
        assert read_to_end(log) == {}, "readers do not wait"
        other.execute("rollback")
        writer.send([(b"key", b"2")])
        assert writer.flush() == 1


def test_another_file_at_the_path_is_another_topic(broker, path):
    broker.create("t", 1)
    send(broker, "t", [(b"key", b"1")])
    with reading(broker, "t") as log:
        read_to_end(log)
        for beside in path.parent.glob("streams.db*"):
            beside.unlink()
        with pytest.raises(StoreError, match="moved or removed"):
            log.take()
        with closing(open_topics(f"sqlite:///{path}")) as other:
            other.create("t", 1)
            send(other, "t", [(b"key", b"2"), (b"key", b"3")])
        with pytest.raises(TopicRestartedError):
            wait_until(lambda: log.take() is None)


def test_another_program_sends_as_the_docs_say(broker, path):
    page = Path(__file__).parents[3] / "docs" / "reference" / "topics.md"
    script = page.read_text().partition("```sql\n")[2].partition("```")[0]
    lines = [line.partition("--")[0] for line in script.splitlines()]
    find, insert, raise_end = [line for line in lines if line]
    broker.create("t", 2)
    with reading(broker, "t") as log, connected(path) as other:
        read_to_end(log)
        (number,) = other.execute("select id from topics where name = 't'").fetchone()
        for key, value in ((None, b"1"), (b"key", b"2")):
            values = {"topic": number, "partition": 1, "key": key, "value": value, "sent_at_us": 5}
            other.execute("begin immediate")
            (values["next_offset"],) = other.execute(find.rstrip().rstrip(";"), values).fetchone()
            for statement in (insert, raise_end):
                other.execute(statement.rstrip().rstrip(";"), values)
            other.execute("commit")
        assert read_to_end(log) == {1: [(0, None, b"1"), (1, b"key", b"2")]}


def test_rows_that_somebody_deleted_are_passed(broker, path):
    broker.create("t", 1)
    send(broker, "t", records_of(keys=1, each=10))
    with connected(path) as other:
        other.execute("delete from messages where offset in (3, 4, 9)")
    with reading(broker, "t") as log:
        messages = read_to_end(log, TakeLimits(messages=3, timeout_s=0.02))[0]
    assert [offset for offset, _, _ in messages] == [0, 1, 2, 5, 6, 7, 8]
    assert log.positions == {0: 10}


def test_an_idle_reader_reads_nothing_but_a_mark(broker):
    broker.create("t", 1)
    send(broker, "t", records_of(keys=1, each=10))
    with reading(broker, "t") as log:
        read_to_end(log)
        statements = []
        log.reader._file._file.connection.set_trace_callback(statements.append)  # noqa: SLF001 - what SQLite is asked
        for _ in range(5):
            log.take(SHORT)
        assert set(statements) == {"pragma data_version"}


def test_offsets_are_not_given_again_after_all_was_trimmed(broker):
    broker.create("t", 1)
    send(broker, "t", records_of(keys=1, each=5))
    assert broker.trim("t", {0: 100})
    send(broker, "t", [(b"key", b"next")])
    with reading(broker, "t") as log:
        assert read_to_end(log) == {0: [(5, b"key", b"next")]}
