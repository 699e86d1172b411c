"""Libraries that would tell their makers who runs them are kept from it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
from featurectl.models.runtimes.onnx import Onnx
try:
    Onnx(b"no model")
except Exception as error:
    assert "onnxruntime" in type(error).__module__
"""


def test_onnx_runtime_notes_nothing_to_send(tmp_path):
    """It makes a database of events in the home of the user, and an ID of the machine, where nobody forbids it."""
    environ = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environ |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.long
def test_onnx_runtime_is_loaded_where_that_is_forbidden_and_nowhere_else():
    found = set()
    for path in (path for name in ("featurectl", "benchmarks", "tests") for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "onnxruntime" for name in names):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == {"featurectl/models/runtimes/onnx.py"}


def test_what_tests_load_before_they_fork_is_forbidden_to_tell():
    assert os.environ["ORT_DISABLE_TELEMETRY"]
