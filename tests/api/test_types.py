"""The types of the Python API, as a user's own checker sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("user_script.py")
WRONG = {
    'project.training_set(features=["spend:*"], spline=spine)': "call-overload",
    "project.list(7)": "arg-type",
    'featurectl.open_project(frames="panda")': "arg-type",
    'project.get("spend", {"customer": "a"}).select("x")': "attr-defined",
    "project.models.promoted('x')": "attr-defined",
}


def checked(path: Path, cache: Path) -> str:
    """Return what a strict mypy says of a file, with nothing of this repository's settings."""
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(cache), str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def test_a_users_script_has_the_documented_types_and_no_others(tmp_path):
    good = SCRIPT.read_text()
    lines = good.splitlines()
    bad = tmp_path / "wrong.py"
    at = lines.index("    try:")
    bad.write_text("\n".join([*lines[:at], *(f"    {line}" for line in WRONG), *lines[at:]]) + "\n")
    found = checked(bad, tmp_path / "cache").splitlines()
    wrong = {line.rpartition("[")[2].rstrip("]"): int(line.split(":")[1]) for line in found if ": error:" in line}
    numbers = {int(line.split(":")[1]) for line in found if ": error:" in line}
    assert sorted(numbers) == list(range(at + 1, at + 1 + len(WRONG))), found
    assert set(wrong) <= set(WRONG.values())
