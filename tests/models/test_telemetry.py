"""Libraries that would tell their makers who runs them are kept from it."""

from __future__ import annotations

import os
import subprocess
import sys

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
