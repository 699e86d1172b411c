"""ONNX by ONNX Runtime: the fastest way to one score."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Final

import numpy as np

from featurectl.models.runtimes.base import Matrix, Scores, not_installed

_NO_TELEMETRY: Final = ("ORT_DISABLE_TELEMETRY", "1")  # it is read when the library is loaded


def load_onnxruntime() -> ModuleType:
    """Return ONNX Runtime, which notes nothing to send to its makers unless the environment lets it.

    Raises:
        As `not_installed`: it is not installed.
    """
    os.environ.setdefault(*_NO_TELEMETRY)
    try:
        import onnxruntime
    except ImportError as error:
        raise not_installed("onnxruntime") from error
    loaded: ModuleType = onnxruntime
    return loaded


class Onnx:
    """A graph from a float32 matrix `matrix` to a column `score`, run by the thread that asks."""

    def __init__(self, content: bytes) -> None:
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._run = session.run

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        (scores,) = self._run(["score"], {"matrix": matrix})
        return np.asarray(scores.reshape(-1), dtype=np.float64)
