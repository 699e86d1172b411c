"""A model's file -> whether its parts fit each other, by format.

Libraries read trees with the numbers that stand in a file as places in memory: a child that is not there ends the
process, and a child that is its own parent never ends. So the numbers are looked at before.
"""

from __future__ import annotations

from featurectl.models.runtimes.base import LIGHTGBM, ONNX, XGBOOST


def check_structure(kind: str, content: bytes) -> None:
    """See that the parts of a model's file fit each other, in formats whose library does not see to it by itself.

    Raises:
        ValueError: they do not, or it is cut off.
    """
    match kind:
        case "txt":
            from featurectl.models.structure.lightgbm import check_lightgbm

            check_lightgbm(content.decode())
        case "ubj":
            from featurectl.models.structure.xgboost import check_xgboost, read_xgboost

            check_xgboost(read_xgboost(content))
        case "onnx":
            from featurectl.models.structure.onnx import check_onnx

            check_onnx(content)
        case _:
            return


assert (LIGHTGBM, XGBOOST, ONNX) == ("txt", "ubj", "onnx")
