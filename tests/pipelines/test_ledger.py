"""Runs of one machine keep to it together."""

from __future__ import annotations

import fcntl
import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from featurectl.language.definitions.pipelines import Resources
from featurectl.offline.process import this_process
from featurectl.pipelines.ledger import SharedLedger
from featurectl.pipelines.machine import Machine
from featurectl.pipelines.room import MachineRoom

GIB = 1 << 30


@pytest.fixture
def path(tmp_path):
    (tmp_path / "machine").mkdir()
    return tmp_path / "machine" / "pipelines.json"


def write(path, process, **taken):
    path.write_text(json.dumps([{"process": asdict(process), "taken": {"cpu": 0.0, "memory_bytes": 0} | taken}]))


def room(path):
    return MachineRoom(Machine(cpu=4, memory_bytes=8 * GIB), None, SharedLedger(path))


@pytest.fixture
def another():
    """A process that is alive, and not this one."""
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        stat = Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()
        yield replace(this_process(), pid=sleeper.pid, began=stat[19])
        sleeper.kill()


def test_what_another_run_has_taken_is_not_free(path, another):
    write(path, another, cpu=3.0, memory_bytes=2 * GIB)
    here = room(path)
    assert not here.take("a", Resources(cpu=2))
    assert not here.take("a", Resources(cpu=1, memory_bytes=7 * GIB))
    assert here.take("a", Resources(cpu=1, memory_bytes=6 * GIB))


def test_a_run_that_is_gone_has_taken_nothing(path):
    write(path, replace(this_process(), pid=this_process().pid, began="0"), cpu=4.0)
    assert room(path).take("a", Resources(cpu=4))


def test_what_a_run_takes_and_gives_back_others_see(path):
    here = room(path)
    assert here.take("a", Resources(cpu=2))
    assert here.take("b", Resources(cpu=1, memory_bytes=GIB))
    (claim,) = json.loads(path.read_text())
    assert claim["taken"] == {"cpu": 3.0, "memory_bytes": GIB}
    here.give_back("a")
    here.give_back("b")
    assert json.loads(path.read_text()) == []


def test_claims_of_others_stay_when_one_writes(path, another):
    write(path, another, cpu=1.0)
    here = room(path)
    assert here.take("a", Resources(cpu=2))
    assert [claim["process"]["pid"] for claim in json.loads(path.read_text())] == [another.pid, this_process().pid]
    here.give_back("a")
    assert [claim["taken"]["cpu"] for claim in json.loads(path.read_text())] == [1.0]


@pytest.mark.parametrize("text", ["", "no JSON", "[{}]", '{"a": 1}', "[1]"])
def test_a_ledger_that_can_not_be_read_holds_nobody_up(path, text):
    path.write_text(text)
    assert room(path).take("a", Resources(cpu=4))


def test_a_ledger_that_can_not_be_written_holds_nobody_up(tmp_path):
    (tmp_path / "file").write_text("")
    here = room(tmp_path / "file" / "pipelines.json")
    assert here.take("a", Resources(cpu=4))
    here.give_back("a")


def test_a_run_that_stands_still_at_the_ledger_holds_nobody_for_ever(path):
    here = room(path)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not here.take("a", Resources())  # and asked again
    assert here.take("a", Resources())
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        here.give_back("a")
    assert here.take("a", Resources(cpu=4))
