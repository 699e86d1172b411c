"""ONNX by ONNX Runtime: the fastest way to one score."""

from __future__ import annotations

import os
from typing import Final

import numpy as np

from featurectl.models.runtimes.base import Matrix, Scores, not_installed

_NO_TELEMETRY: Final = ("ORT_DISABLE_TELEMETRY", "1")  # it is read when the library is loaded


class Onnx:
    """A graph from a float32 matrix `matrix` to a column `score`, run by the thread that asks."""

    def __init__(self, content: bytes) -> None:
        os.environ.setdefault(*_NO_TELEMETRY)
        try:
            import onnxruntime
        except ImportError as error:
            raise not_installed("onnxruntime") from error
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
