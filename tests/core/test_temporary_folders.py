"""Folders for a while: gone when they are done with, and with the next one when their process was killed."""

from __future__ import annotations

import ast
import errno
import fcntl
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from featurectl.core import temporary_folders
from featurectl.core.temporary_folders import LOCK, remove_abandoned, temporary_folder

PACKAGE = Path(temporary_folders.__file__).parents[1]
HOLDS = """
import sys, time
from featurectl.core.temporary_folders import temporary_folder
with temporary_folder("scores") as folder:
    (folder / "rows").write_text("of somebody")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder for temporary files, and a process that has not looked there yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(temporary_folders, "searched", set())
    return tmp_path


def begun() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def ended(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def test_a_folder_is_there_for_its_process_alone_and_gone_behind_it(place):
    with temporary_folder("scores") as folder:
        (made,) = place.iterdir()
        assert re.fullmatch(r"featurectl-scores-\w+", made.name)
        assert (made.stat().st_mode & 0o777, list(folder.iterdir())) == (0o700, [])
        (folder / "rows").write_text("a")
        with temporary_folder("scores") as other:
            assert other != folder
    assert list(place.iterdir()) == []


def test_a_folder_is_gone_behind_an_error_too(place):
    with pytest.raises(ZeroDivisionError), temporary_folder("scores"):
        _ = 1 / 0
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_no_other(place):
    living, here = begun()
    killed, there = begun()
    ended(killed)
    assert (there / "rows").exists()
    mine = [place / name for name in ("featurectl-scores-mine", "featurectl-0", "other-scores-a")]
    for folder in mine:
        folder.mkdir()
    with temporary_folder("uploads"):
        assert not there.parent.exists()
        assert (here / "rows").exists()
    ended(living)
    temporary_folders.searched.clear()  # as a new process has it
    with temporary_folder("uploads"):
        assert not here.parent.exists()
    assert sorted(place.iterdir()) == sorted(mine)


def test_a_process_looks_once_for_what_others_left(place):
    killed, there = begun()
    with temporary_folder("scores"):
        ended(killed)
    with temporary_folder("scores"):
        assert there.exists()
    assert temporary_folders.searched == {str(place)}


def test_a_lock_that_is_a_link_is_not_followed(place):
    killed, there = begun()
    ended(killed)
    (there.parent / LOCK).rename(place / "elsewhere")
    (there.parent / LOCK).symlink_to(place / "elsewhere")
    with temporary_folder("scores") as folder:
        assert folder.is_dir()
    assert there.exists()


@pytest.mark.long
def test_nothing_of_the_package_makes_a_folder_that_nobody_would_remove():
    """But beside what is to take their place, and spilled rows, each with a rule of its own."""
    names = ("TemporaryDirectory", "mkdtemp", "mkstemp", "NamedTemporaryFile")
    found = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if used & {*names}:
            found.add(path.relative_to(PACKAGE).as_posix())
    others = {"engines/spill.py", "models/export.py", "operations/init.py"}
    assert found == {"core/temporary_folders.py", *others}


def test_a_lock_is_held_before_it_has_its_name(place, monkeypatch):
    """Somebody who looks between the two must not take the folder for one that was left."""
    flock, seen = fcntl.flock, []

    def looked(held: int, how: int) -> None:
        if not how & fcntl.LOCK_NB:
            (made,) = place.iterdir()
            remove_abandoned(place)
            seen.append(sorted(path.name for path in made.iterdir()))
        flock(held, how)

    monkeypatch.setattr(fcntl, "flock", looked)
    with temporary_folder("scores") as folder:
        remove_abandoned(place)
        assert (folder.parent / LOCK).exists()
    assert seen == [[f"{LOCK}.new"]]


def test_a_place_without_locks_is_no_error(place, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fails)
    with temporary_folder("scores") as folder:
        remove_abandoned(place)
        assert folder.is_dir()
    assert list(place.iterdir()) == []
