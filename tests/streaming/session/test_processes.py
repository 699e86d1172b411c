"""`stream run` as a process that is signalled and killed, alone and with workers in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
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
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]


def test_a_command_without_workers_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    assert main(["-C", str(swipes.root), "stream", "run", "--once", "--workers", "0"]) == 64
    assert capsys.readouterr().err == "error: --workers 0 is not within bounds\n  = 1 or more\n"


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
    # What one of two has taken, and the other takes again as it begins, counts twice.
    assert [count == 10 or (workers == 2 and count > 10) for count in taken] == [True] * (code == 0), found
    assert ("interrupted" in found) == (code == 130)


@pytest.mark.long
@pytest.mark.parametrize(
    ("hangs", "workers"),
    [
        ("online: redis://", 2),
        ("online: redis+cluster://", 1),
        ("streams: redis://", 1),
        ("streams: kafka://", 1),
    ],
)
def test_sigterm_is_heard_while_the_first_connection_hangs(tmp_path: Path, hangs: str, workers: int):
    swipes = Swipes(root=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT_S)
        key, _, scheme = hangs.partition(": ")
        url = f'{key}: "{scheme}127.0.0.1:{silent.getsockname()[1]}"'
        project = (tmp_path / "featurectl.yaml").read_text()
        (tmp_path / "featurectl.yaml").write_text(re.sub(f'{key}: "[^"]*"', url, project))
        with started(swipes, "--workers", str(workers)) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGTERM)
                assert process.wait(LIMIT_S) == 0, said(swipes)  # not the error of a silence of ten seconds
    assert "0 events taken" in said(swipes)


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
