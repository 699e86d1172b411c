"""Runs of a pipeline that are killed again and again, and gone on with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.pipelines.commands import names
from tests.pipelines.harness_program import NOTHING_BEGUN
from tests.pipelines.repository import write_repository

NEEDS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": (), "f": ("d", "e")}
PIPELINE = "pipelines:\n  - name: p\n    stages:\n" + "".join(
    f"      - {{name: {name}, run: version, needs: [{', '.join(needs)}]}}\n" for name, needs in NEEDS.items()
)
_MODEL = """
models:
  - {name: m, trainer: {estimator: sklearn.linear_model.LogisticRegression},
     features: [{view: spend, features: [amount_sum_7d]}],
     spine: {source: orders, time: at, label: {name: is_ann, expr: "customer = 'ann'"}}}
"""
_PARTS = "run: score m --all-keys --out s.csv, resources: {replicas: 2}, retries: 5,"
ROUGH = _MODEL + PIPELINE.replace("name: d, run: version,", f"name: d, {_PARTS}").replace(
    "run: version,", "run: version, retries: 5,"
)
_HARNESS = Path(__file__).with_name("harness_program.py")


def kill_and_resume(root: Path, count: int, *, rough: bool = False) -> int:
    """Kill runs so many times at random moments, each gone on with until it succeeds.

    `rough`: one stage has parts, the store of the records is slow, and guards are killed, too. Returned is how many.
    """
    write_repository(root, ROUGH if rough else PIPELINE)
    chance, kills = random.Random(7), 0
    guards = _Guards(root, chance) if rough else None
    while kills < count:
        for path in (*root.glob("begun"), *root.glob("done")):
            path.unlink()
        for name in NEEDS:
            (root / f"{name}.do").write_text(f"sleep:{chance.uniform(0.0, 0.4):.2f}")
        again, old = "begin", set[Path]()
        while True:
            old = _folders(root) if again == "begin" else old
            wait = chance.uniform(0.0, 1.2) if kills < count else 600.0
            before = Counter(names(root / "begun"))
            succeeded = succeeded_stages(_folders(root) - old)
            code, was_killed = _run(root, again, wait, guards)
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
        assert children(root) == []
    return guards.killed if guards else 0


class _Guards:
    """Kills guards of stages at random moments, and counts them."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self._root, self._chance = root, chance
        self.killed = 0

    def kill_one(self, runner: subprocess.Popen[bytes]) -> None:
        """Kill one of those that are there after a while; a busy machine needs longer until the first is there."""
        time.sleep(self._chance.uniform(0.0, 0.8))
        guards, end = list[int](), time.monotonic() + 10
        while not guards and runner.poll() is None and time.monotonic() < end:
            guards = sorted(pid for pid, words in _processes(self._root) if "guard.py" in words)
        with suppress(ProcessLookupError):
            if guards:
                os.kill(self._chance.choice(guards), signal.SIGKILL)
                self.killed += 1


def _folders(root: Path) -> set[Path]:
    return {path for path in (root / ".featurectl/pipelines/dev/p").glob("*") if path.is_dir()}


def succeeded_stages(folders: set[Path]) -> set[str]:
    """Return the stages of which a file says that they have ended well, in the folders of a run and of its resumes."""
    done: set[str] = set()
    for folder in folders:
        well = {path.name.removesuffix(".exit") for path in folder.glob("*.exit") if path.read_text() == "0\n"}
        done |= {name.split(".")[0] for name in well if name.count(".") == 1}
        done |= {name.split(".")[0] for name in well if name.endswith(".1") and f"{name[:-2]}.2" in well}
    return done


def _run(root: Path, again: str, wait_s: float, guards: _Guards | None) -> tuple[int, bool]:
    command = [sys.executable, str(_HARNESS), str(root), again, "p", *(["slow"] if guards else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if guards:
            guards.kill_one(process)
        try:
            return process.wait(wait_s), False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait(), True


def _wait_for_stages(root: Path) -> None:
    """Wait until nothing of a killed run is there any more; it must be gone soon."""
    end = time.monotonic() + 60
    while children(root):
        assert time.monotonic() < end, children(root)
        time.sleep(0.05)


def children(root: Path) -> list[str]:
    """Return the command lines of processes that are there and name a folder."""
    return [words for _, words in _processes(root)]


def _processes(root: Path) -> list[tuple[int, str]]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if str(root) in words and int(process.name) != os.getpid():
            found.append((int(process.name), words))
    return found
