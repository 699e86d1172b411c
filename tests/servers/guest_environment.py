"""Environments of guests: programs that tests talk to, whose packages don't go together with those of the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PINS = ROOT / "tests" / "guests"
GUESTS = ROOT / ".guests"
UV = Path(sys.executable).parent / "uv"
_OF_THIS_ENVIRONMENT = {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class GuestEnvironment:
    """An environment of Python with the packages of a guest, and nothing of the tests' own."""

    folder: Path

    def program(self, name: str = "python") -> Path:
        """Return one of its programs."""
        return self.folder / "bin" / name

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of its programs: this process's, without those of the tests' Python."""
        return {name: value for name, value in os.environ.items() if name not in _OF_THIS_ENVIRONMENT}


def guest_environment(name: str, *, pins: Path = PINS, guests: Path = GUESTS) -> GuestEnvironment:
    """Return the environment of a guest, made of what `tests/guests/NAME.txt` pins.

    It is made once, and anew when the file has changed; one process at a time makes it. That it can't be made is an
    error, never a reason to skip a test.
    """
    wanted = (pins / f"{name}.txt").read_bytes()
    folder = guests / name
    guests.mkdir(exist_ok=True)
    with (guests / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_of = folder / "made-of.txt"
        if not made_of.is_file() or made_of.read_bytes() != wanted:
            _make(folder, pins / f"{name}.txt")
            made_of.write_bytes(wanted)
    return GuestEnvironment(folder)


def _make(folder: Path, packages: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _uv("venv", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    # Without dependencies: the file names all of them, so that it is the same environment everywhere.
    _uv("pip", "install", "--python", python, "--no-deps", "--requirement", str(packages))
    _uv("pip", "check", "--python", python)


def _uv(*words: str) -> None:
    done = subprocess.run(
        [str(UV), *words, "--quiet"], env=GuestEnvironment(Path()).environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"uv {' '.join(words)}\n{done.stdout}\n{done.stderr}"
