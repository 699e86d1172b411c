"""ONNX graphs: nothing without an end, no size that follows from the values of a row, trees that are trees.

What a graph does for the rows that it was proven on it then does for any others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from featurectl.models.file_checks.onnx_trees import check_trees
from featurectl.models.runtimes.base import not_installed

_DEEPEST: Final = 8
_ENDLESS: Final = ("Loop",)
_GENERATES: Final = ("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch")
_CHANCE: Final = (
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip
_TRAINED: Final[Mapping[str, int]] = {"Dropout": 2, "BitmaskDropout": 2, "BiasDropout": 4, "BitmaskBiasDropout": 4}
_SIZES: Final[Mapping[str, Sequence[int]]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "ConstantOfShape": (0,),
    "DFT": (1,),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Resize": (2, 3),
    "Tile": (1, 2),
    "Upsample": (1,),
}  # by operator, its inputs whose values say how large what comes out is


def check_onnx(content: bytes) -> None:
    """See that a graph ends, whatever the rows are, and takes as much memory for one row as for another.

    Raises:
        ValueError: it has a loop, chance, tensors in other files, a size that follows from the values of its inputs,
            or trees with nodes that are not there.
    """
    try:
        import onnx
        from onnx import inliner
    except ImportError as error:
        raise not_installed("onnx") from error
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf raises its own kinds
        raise ValueError("it is cut off, or no ONNX") from error
    _check_kept(model)
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
    except Exception as error:  # of a kind of its own
        raise ValueError("it is cut off, or no ONNX") from error
    constants = {item.name: item for item in model.graph.initializer}
    given = {item.name for item in model.graph.input} - set(constants)
    _check_graph(model.graph, given, 0)
    try:
        check_trees(model)
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"its trees are none: {str(error)[:80]}") from error


def _check_graph(graph: Any, of_rows: set[str], depth: int) -> None:
    """See to a graph; `of_rows` are the names of tensors whose values follow from rows."""
    if depth > _DEEPEST:
        raise ValueError(f"its graphs are in each other, deeper than {_DEEPEST}")
    known = set(of_rows)
    for node in graph.node:
        if node.op_type in _ENDLESS or node.op_type in _GENERATES:
            raise ValueError(f"it has a {node.op_type}, which may have no end")
        if node.op_type in _CHANCE or any(node.input[_TRAINED.get(node.op_type, len(node.input)) :]):
            raise ValueError(f"it has a {node.op_type}: a row gets another score each time")
        for place in _SIZES.get(node.op_type, ()):
            if place < len(node.input) and node.input[place] in known:
                raise ValueError(f"what {node.op_type} makes is as large as the values of its rows say")
        parts = list(_graphs(node))
        for part in parts:
            _check_graph(part, known | {item.name for item in part.input}, depth + 1)
        if parts or (node.op_type not in ("Shape", "Size") and any(name in known for name in node.input)):
            known.update(node.output)


def _check_kept(message: Any) -> None:
    """See that the values of all tensors stand in the file itself, wherever they are, not in one that it names."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if getattr(part, "external_data", None) or getattr(part, "data_location", 0):
                raise ValueError("it keeps tensors in other files; save it as one file")
            _check_kept(part)


def _graphs(node: Any) -> Iterable[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
