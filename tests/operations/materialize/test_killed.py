"""A materialize that is killed at any moment leaves the old table or the new one, and the next run finishes the job."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.operations.materialize.killed import expected, main, materialize, open_run
from tests.seeds import seed_of
from tests.warm import WarmProcess

FILES, FEW_FILES = 9, 4  # the buckets are compacted from the fourth file on


@dataclass(frozen=True)
class Told:
    """The letters that a process wrote, with the seconds after its first."""

    letters: str
    seconds: tuple[float, ...]


def run_until(root: Path, kill_after: float | None, files: int) -> Told:
    """Run the process; kill it so many seconds after its first letter, if it still runs then."""
    with WarmProcess(main, root, files) as process:
        letters, seconds = [process.stdout.read(1)], [0.0]
        begin = time.monotonic()
        timer = threading.Timer(kill_after, process.kill) if kill_after is not None else None
        if timer:
            timer.start()
        while letter := process.stdout.read(1):
            letters.append(letter)
            seconds.append(time.monotonic() - begin)
        process.wait()
        if timer:
            timer.cancel()
    return Told(letters=b"".join(letters).decode(), seconds=tuple(seconds))


def check_old_or_new(root: Path) -> None:
    """The table is that of the files that it says it has read, and every file that counts is whole."""
    table = open_run(root).table
    rows = expected(root, table.coverage())
    if rows is not None:
        assert table.read().equals(rows)


def campaign(folder: Path, kills: int, files: int) -> tuple[int, int]:
    """Kill so often, spread over an undisturbed run, and return how often and how often while files were written."""
    whole = folder / "whole"
    whole.mkdir(parents=True)
    told = run_until(whole, None, files)
    assert told.letters.endswith("ce")
    random, written, died = Random(seed_of(7)), 0, 0
    for number in range(kills):
        root = folder / f"killed-{number}"
        root.mkdir()
        # Most of the time goes by in the writing of files; a moment in it is chosen four times of five.
        runs = [i for i, letter in enumerate(told.letters) if letter == "w"]
        at = random.choice(runs)
        begin, end = told.seconds[at], told.seconds[at + 1]
        if random.random() < 0.2:
            begin, end = 0.0, told.seconds[-1]
        found = run_until(root, begin + (end - begin) * random.random(), files)
        died += not found.letters.endswith("e")
        written += found.letters.endswith("w")
        check_old_or_new(root)
        again = run_until(root, None, files)
        assert again.letters.endswith("e")
        assert open_run(root).table.read().equals(open_run(whole).table.read())
        assert materialize(root).action == "nothing"
        assert not list((root / "spill").glob("spill-*"))
    return died, written


@pytest.mark.long
def test_a_killed_run_leaves_the_old_or_new_table_and_the_next_finishes(tmp_path):
    died, _ = campaign(tmp_path, 2, FEW_FILES)
    assert died >= 1


@pytest.mark.stress
def test_fifty_killed_runs(tmp_path, capsys):
    died, written = campaign(tmp_path, 60, FILES)
    with capsys.disabled():
        print(f"\nkilled {died} times, {written} of them while files were written or committed")  # noqa: T201  # for who runs it with -s
    assert died >= 50
    assert written >= 30
