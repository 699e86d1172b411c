"""A model's file -> whether its parts fit each other, by format.

Libraries read trees with the numbers that stand in a file as places in memory: a child that is not there ends the
process, and a child that is its own parent never ends. So the numbers are looked at before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featurectl.models.runtimes.base import LIGHTGBM, ONNX, XGBOOST


def check_structure(kind: str, content: bytes) -> None:
    """See that the parts of a model's file fit each other, in formats whose library does not see to it by itself.

    Raises:
        ValueError: they do not, or it is cut off.
    """
    if kind in _CHECKS:
        _CHECKS[kind](content)


def _lightgbm(content: bytes) -> None:
    from featurectl.models.file_checks.lightgbm import check_lightgbm

    check_lightgbm(content.decode())


def _xgboost(content: bytes) -> None:
    from featurectl.models.file_checks.xgboost import check_xgboost, read_xgboost

    check_xgboost(read_xgboost(content))


def _onnx(content: bytes) -> None:
    from featurectl.models.file_checks.onnx import check_onnx

    check_onnx(content)


_CHECKS: Final[Mapping[str, Callable[[bytes], None]]] = {LIGHTGBM: _lightgbm, XGBOOST: _xgboost, ONNX: _onnx}
