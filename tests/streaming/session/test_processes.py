"""`stream run` as a process that is signalled and killed, alone and with workers in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.streaming.session.swipes import LIMIT_S, Swipes, wait_for


@contextmanager
def started(swipes: Swipes, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command, whose output goes to files; whatever is left of it is killed."""
    command = [sys.executable, "-m", "featurectl", "-C", str(swipes.root), "stream", "run", *words]
    with (swipes.root / "out").open("wb") as out, (swipes.root / "err").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT_S)


def said(swipes: Swipes) -> str:
    return (swipes.root / "out").read_text() + (swipes.root / "err").read_text()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The worker processes of the command."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in found if b"spawn_main" in of_process(int(pid), "cmdline")]


def of_process(pid: int, name: str) -> bytes:
    """A file about a process; empty where it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def is_there(pid: int) -> bool:
    return b"Z" not in (of_process(pid, "stat").rpartition(b")")[2] or b" Z")[:3]


def test_a_command_without_workers_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    assert main(["-C", str(swipes.root), "stream", "run", "--once", "--workers", "0"]) == 64
    assert "--workers 0 is too few" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [(signal.SIGINT, 130, 1), (signal.SIGHUP, 0, 1), (signal.SIGINT, 130, 2), (signal.SIGTERM, 0, 2)],
)
def test_what_is_told_to_stop_logs_what_it_has_taken(tmp_path: Path, number: int, code: int, workers: int):
    swipes = Swipes(root=tmp_path)
    swipes.send(5)
    with started(swipes, "--workers", str(workers)) as process:
        wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == 6)
        swipes.send(5)
        wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == 11)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        assert process.wait(LIMIT_S) == code, said(swipes)
    assert swipes.logged() == 10
    found = said(swipes)
    taken = [int(count) for count in re.findall(r"(\d+) events taken of 1 stream", found)]
    if workers == 1:
        assert taken == ([10] if code == 0 else [])
    else:  # what one of two had taken before the other got the partition is taken, and counts, again
        assert [count >= 10 for count in taken] == ([True] if code == 0 else [])
    assert ("interrupted" in found) == (code == 130)


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    with started(swipes, "--workers", "2") as process:
        for _ in range(2):
            swipes.send(10)
            wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == swipes.sent + 1)
            killed = children(process)[0]
            os.kill(killed, signal.SIGKILL)
            swipes.send(10)
            wait_for(lambda: re.search(rf"process {killed} was killed by SIGKILL", said(swipes)) is not None)  # noqa: B023
        wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == swipes.sent + 1)
        process.terminate()
        assert process.wait(LIMIT_S) == 0, said(swipes)
    assert swipes.logged() == 40


@pytest.mark.long
def test_workers_end_when_the_first_process_is_killed(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    with started(swipes, "--workers", "2") as process:
        wait_for(lambda: len(children(process)) == 2 and swipes.values() is not None)
        left = children(process)
        process.kill()
        process.wait(LIMIT_S)
        wait_for(lambda: not any(map(is_there, left)))


@pytest.mark.long
def test_an_error_of_a_worker_ends_all_with_its_code(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.send(1)
    (tmp_path / "history.csv").unlink()
    with started(swipes, "--once", "--workers", "2") as process:
        assert process.wait(LIMIT_S) == 1
    assert "error[FC501]" in said(swipes)
    assert "Traceback" not in said(swipes)
