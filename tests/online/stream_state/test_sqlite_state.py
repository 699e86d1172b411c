"""The state of streams in a file that is replaced, locked, or whose process is killed in the middle of a step."""

# ruff: noqa: SLF001  # makes the disk of a store full

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.sqlite import stream_file
from featurectl.online.sqlite.stream_state import SqliteStreamState
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    Generation,
    KnownStamps,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ListSeed,
    ReadingPosition,
    StreamSource,
    digest_of,
)
from tests.online.stream_state.losses import SqliteLosses

GENERATION = Generation(view="spend@1", id="a1")
ASK = ListsAsk(view="spend@1", entities=[b"k"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "online.db"


@pytest.fixture
def state(path):
    with closing(SqliteStreamState(path, clock=lambda: 1_000, wait_s=0.2)) as made:
        yield made


@pytest.fixture
def connection(state, source):
    with closing(state.connect(source)) as made:
        made.register.add_partition("p")
        made.generations.add(GENERATION)
        assert made.generations.switch(GENERATION)
        yield made


def test_another_file_under_the_same_number_is_another_run(path, source, monkeypatch):
    """File systems give the number of a removed file to the next: nobody may have had the one before open then."""
    monkeypatch.setattr(stream_file.DatabaseFile, "identity", "1:2")

    def run_of() -> str:
        with closing(SqliteStreamState(path)) as state, closing(state.connect(source)) as made:
            return made.register.read_state().run

    first = run_of()
    assert first == run_of()
    for file in path.parent.glob("online.db*"):
        file.unlink()
    assert run_of() != first


def test_a_run_that_an_older_program_wrote_goes_on(path, source):
    with closing(SqliteStreamState(path)) as state, closing(state.connect(source)) as made:
        run = made.register.read_state().run
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("update stream_sources set run = ?", (run.rpartition(":")[0],))
        with closing(state.connect(source)) as again:
            assert again.register.read_state().run == run.rpartition(":")[0]


def operations(connection):
    """Every kind of call that a connection takes."""
    register, lists, digest = connection.register, connection.lists, digest_of([b"1"])
    replacement = ListReplacement(
        generation=GENERATION, entity=b"k", read=1, digest=digest, head=b"\x80", left=[], alone=None
    )
    return {
        "check": connection.check,
        "add_partition": lambda: register.add_partition("q"),
        "claim": lambda: register.claim(0, 0, 2, KnownStamps()),
        "finish": lambda: register.finish(0, 0, 2, [GENERATION]),
        "heartbeat": lambda: register.heartbeat([ReadingPosition(partition=0, position=0, at_end=True)]),
        "forget": lambda: register.forget(0, 1),
        "read_state": register.read_state,
        "read_stamps": lambda: register.read_stamps(0, 0, 9),
        "add": lambda: connection.generations.add(GENERATION),
        "switch": lambda: connection.generations.switch(GENERATION),
        "append": lambda: lists.append([ListAppend(generation=GENERATION, entities=[b"k"], elements=[b"1"])]),
        "read": lambda: lists.read([ASK]),
        "replace": lambda: lists.replace([replacement]),
        "seed": lambda: lists.seed(GENERATION, [ListSeed(entity=b"m", head=b"\x80")]),
        "drop": lambda: connection.generations.drop(GENERATION),
        "void": connection.generations.void,
    }


def test_a_connection_to_a_file_that_was_replaced_is_lost_for_good(state, source, connection, path):
    losses = SqliteLosses(path)
    losses.keep(0)
    connection.lists.append([ListAppend(generation=GENERATION, entities=[b"k"], elements=[b"1"])])
    losses.restore(0)
    for _ in range(2):
        for operation in operations(connection).values():
            with pytest.raises(ConnectionLostError, match="replaced"):
                operation()
    assert [*state.read(source, [ASK])[0].lists[0].elements] == []
    with closing(state.connect(source)) as again:
        again.check()
        assert again.register.read_state().views["spend@1"].live == "a1"


def test_a_connection_to_a_file_that_was_removed_is_lost(connection, path):
    path.unlink()
    for operation in operations(connection).values():
        with pytest.raises(ConnectionLostError):
            operation()


def test_after_a_loss_a_register_says_which_instant_was_left(state, source, connection, path):
    losses = SqliteLosses(path)
    assert connection.register.heartbeat([ReadingPosition(partition=0, position=0, at_end=True)]) == [True]
    losses.keep(0)
    claim = connection.register.claim(0, 0, 2, KnownStamps())
    run = connection.register.read_state().run
    losses.restore(0)
    with closing(state.connect(source)) as again:
        assert again.register.heartbeat([ReadingPosition(partition=0, position=0, at_end=True)]) == [True]
        found = again.register.read_state()
        assert (found.run == run, found.left, claim.last) == (False, 1_000, 1_001)


def test_a_file_that_a_power_failure_may_have_set_back_is_another_run(state, source, connection, tmp_path, monkeypatch):
    """SQLite may lose its last transactions then, and the file is the same."""
    assert connection.register.heartbeat([ReadingPosition(partition=0, position=0, at_end=True)]) == [True]
    runs = [connection.register.read_state().run]
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(stream_file, "BOOT_ID", tmp_path / "boot_id", raising=False)
    for _ in range(2):
        with closing(state.connect(source)) as again:
            runs.append(again.register.read_state().run)
            assert again.register.read_state().left == 1_000
    assert runs[0] != runs[1] == runs[2]


def test_a_file_that_another_process_writes_is_an_error_in_time(state, source, connection, path):
    writers = operations(connection).keys() - {"check", "read_state", "read_stamps", "read"}
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        for name in sorted(writers)[:2]:
            with pytest.raises(StoreError, match="another process has been writing") as caught:
                operations(connection)[name]()
            assert not isinstance(caught.value, ConnectionLostError)
        assert [*state.read(source, [ASK])[0].lists[0].elements] == []
        other.execute("rollback")
    assert connection.register.claim(0, 0, 2, KnownStamps()) is not None


def test_a_full_disk_is_an_error_and_the_step_is_not_begun(state, source, connection):
    append = ListAppend(generation=GENERATION, entities=[b"k"] * 500, elements=[b"x" * 500] * 500)
    file = connection._database._file.connection
    pages = file.execute("pragma page_count").fetchone()[0]
    file.execute(f"pragma max_page_count = {pages + 5}")
    with pytest.raises(StoreError, match="full") as caught:
        connection.lists.append([append])
    assert "room" in caught.value.hint
    assert not isinstance(caught.value, ConnectionLostError)
    assert [*state.read(source, [ASK])[0].lists[0].elements] == []
    file.execute(f"pragma max_page_count = {pages * 1_000}")
    assert connection.lists.append([append]) == [{b"k": 500}]


def test_a_file_that_is_no_database_is_an_error(path, state, source):
    path.write_bytes(b"nothing" * 1_000)
    with pytest.raises(StoreError, match="not a database"):
        state.connect(source)
    with pytest.raises(StoreError, match="not a database"):
        state.read(source, [ASK])


KILLED = """
import sys
from pathlib import Path
from featurectl.online.sqlite.stream_state import SqliteStreamState
from featurectl.online.stream_state.base import *
source = StreamSource(project="p", env="e", source="s")
generation = Generation(view="spend@1", id="a1")
connection = SqliteStreamState(Path(sys.argv[1])).connect(source)
connection.register.add_partition("p")
connection.generations.add(generation)
connection.generations.switch(generation)
at = connection.register.read_state().partitions[0].done
print("ready", flush=True)
while True:
    claim = connection.register.claim(0, at, at + 50, KnownStamps())
    elements = [b"%d" % offset for offset in range(at, at + 50)]
    connection.lists.append([ListAppend(generation=generation, entities=[b"k"] * 50, elements=elements)])
    assert connection.register.finish(0, at, at + 50, [generation])
    at += 50
    if at % 500 == 0:
        _, [[found]] = connection.lists.read([ListsAsk(view="spend@1", entities=[b"k"])])
        read = [*found.elements]
        connection.lists.replace([ListReplacement(generation=generation, entity=b"k", read=len(read),
            digest=digest_of(read), head=b"\\x80%d" % at, left=[], alone=b"\\x80%d" % at)])
"""


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.long)])
def test_a_process_that_is_killed_leaves_each_step_whole_or_not_begun(path, state, kills):
    for number in range(kills):
        command = [sys.executable, "-c", KILLED, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.01 + 0.013 * (number % 7))
            os.kill(process.pid, signal.SIGKILL)
        check_whole(state)


def check_whole(state: SqliteStreamState) -> None:
    """Check that stamps have no gap, and that every offset that is done is in the list or its head."""
    with closing(state.connect(StreamSource(project="p", env="e", source="s"))) as connection:
        found, [[of]] = connection.lists.read([ASK])
        assert of is not None
        [partition] = found.partitions
        assert partition.done <= partition.end <= partition.done + 50
        stamps = connection.register.read_stamps(0, 0, partition.end)
        assert [each.first for each in stamps[1:]] == [each.end for each in stamps[:-1]]
        assert not stamps or (stamps[0].first, stamps[-1].end) == (0, partition.end)
        elements = [*of.elements]
        folded = int(elements.pop(0)[1:]) if elements and elements[0][0] == 0x80 else 0
        assert {*map(int, elements)} >= {*range(folded, partition.done)}
