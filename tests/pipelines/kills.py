"""Runs of a pipeline that are killed again and again, and gone on with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.pipelines.commands import names
from tests.pipelines.harness_program import NOTHING_BEGUN
from tests.pipelines.repository import write_repository

NEEDS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": (), "f": ("d", "e")}
PIPELINE = "pipelines:\n  - name: p\n    stages:\n" + "".join(
    f"      - {{name: {name}, run: version, needs: [{', '.join(needs)}]}}\n" for name, needs in NEEDS.items()
)
_HARNESS = Path(__file__).with_name("harness_program.py")


def kill_and_resume(root: Path, count: int) -> None:
    """Kill runs so many times at random moments, each gone on with until it succeeds."""
    write_repository(root, PIPELINE)
    chance, kills = random.Random(7), 0
    while kills < count:
        for path in (*root.glob("begun"), *root.glob("done")):
            path.unlink()
        for name in NEEDS:
            (root / f"{name}.do").write_text(f"sleep:{chance.uniform(0.0, 0.4):.2f}")
        again = "begin"
        while True:
            wait = chance.uniform(0.0, 1.2) if kills < count else 600.0
            before = Counter(names(root / "begun"))
            succeeded = succeeded_stages(root) if again == "resume" else set()
            code, was_killed = _run(root, again, wait)
            begun = Counter(names(root / "begun"))
            assert {name for name in succeeded if begun[name] != before[name]} == set()
            if not was_killed and code == NOTHING_BEGUN:
                again = "begin"
                continue
            if not was_killed:
                assert code == 0
                break
            kills, again = kills + 1, "resume"
            _wait_for_stages(root)
        assert set(names(root / "done")) == set(NEEDS)
        assert _children(root) == []


def succeeded_stages(root: Path) -> set[str]:
    """Return the stages of which a file says that they have ended well, in the runs since the last that did."""
    folders = sorted(path for path in (root / ".featurectl/pipelines/dev/p").glob("*") if path.is_dir())
    done: set[str] = set()
    for folder in folders:
        of_run = {path.name.split(".")[0] for path in folder.glob("*.exit") if path.read_text() == "0\n"}
        done = set() if done >= set(NEEDS) else done
        done |= of_run
    return set() if done >= set(NEEDS) else done


def _run(root: Path, again: str, wait_s: float) -> tuple[int, bool]:
    command = [sys.executable, str(_HARNESS), str(root), again]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            return process.wait(wait_s), False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait(), True


def _wait_for_stages(root: Path) -> None:
    """Wait until nothing of a killed run is there any more; it must be gone soon."""
    end = time.monotonic() + 60
    while _children(root):
        assert time.monotonic() < end, _children(root)
        time.sleep(0.05)


def _children(root: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if str(root) in words and int(process.name) != os.getpid():
            found.append(words)
    return found
