"""The types of the Python API, as a user's own checker sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("user_script.py")
WRONG = {
    'project.training_set(features=["spend:*"], spline=spine)': "call-overload",
    "project.list(7)": "arg-type",
    'featurectl.open_project(frames="panda")': "arg-type",
    'project.get("spend", {"customer": "a"}).select("x")': "attr-defined",
    "project.models.promoted('x')": "attr-defined",
}


# Libraries of which no type is in the API: reading theirs is most of the time.
NOT_READ = (
    "alembic", "deltalake", "IPython", "lightgbm", "numpy", "obstore", "onnx", "pandas", "pyarrow", "pydantic", "redis",
    "sklearn", "sqlalchemy",
)  # fmt: skip
SETTINGS = f"""
[mypy]
strict = True
[mypy-{",".join(f"{name}.*" for name in NOT_READ)}]
follow_imports = skip
follow_imports_for_stubs = True
"""


def checked(path: Path, folder: Path) -> str:
    """Return what a strict mypy says of a file, with nothing of this repository's settings."""
    settings = folder / "mypy.ini"
    settings.write_text(SETTINGS)
    words = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--cache-dir", str(folder), str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


@pytest.mark.long
def test_a_users_script_has_the_documented_types_and_no_others(tmp_path):
    good = SCRIPT.read_text()
    lines = good.splitlines()
    bad = tmp_path / "wrong.py"
    at = lines.index("    try:")
    bad.write_text("\n".join([*lines[:at], *(f"    {line}" for line in WRONG), *lines[at:]]) + "\n")
    found = checked(bad, tmp_path).splitlines()
    wrong = {line.rpartition("[")[2].rstrip("]"): int(line.split(":")[1]) for line in found if ": error:" in line}
    numbers = {int(line.split(":")[1]) for line in found if ": error:" in line}
    assert sorted(numbers) == list(range(at + 1, at + 1 + len(WRONG))), found
    assert set(wrong) <= set(WRONG.values())
