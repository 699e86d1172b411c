"""ONNX that others made -> a graph of the form that ours have: a float32 matrix in, a column of scores out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from featurectl.core.errors import UsageError
from featurectl.models.conversion.graph import IR_VERSION, OPSET
from featurectl.models.runtimes.base import install_hint
from featurectl.models.runtimes.onnx import Onnx

_PROBABILITIES: Final = ("probabilities", "output_probability", "probability", "predicted_probability")
_PREFIX: Final = "of_"


def normal_onnx(content: bytes, width: int) -> bytes:
    """Return a graph from `matrix` to `score` that gives what a graph gives.

    It has one input of a row per row, or an input per column. Of several outputs the probabilities count; two columns
    are the probabilities of two classes, the second is the positive one; of more classes the likeliest counts, by its
    number.

    Raises:
        UsageError: it has other inputs or outputs, or keeps tensors in other files.
    """
    model = _parsed(content)
    if _names(model.graph.output) == ["score"] and _inputs(model) == ["matrix"]:
        return content
    from onnx import compose

    made = compose.add_prefix(model, _PREFIX)
    feeds = _feed(made, width)
    source = _source(made)
    columns = _columns(made, feeds, source, width)
    return _whole(made, feeds, _score_nodes(source, columns), width)


def names_of(content: bytes) -> tuple[str, ...]:
    """Return the names of a graph's inputs where each is a column; else none."""
    names = _inputs(_parsed(content))
    return tuple(names) if len(names) > 1 else ()


def _parsed(content: bytes) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise UsageError("onnx is not installed", hint=install_hint("onnx")) from error
    model = onnx.load_from_string(content)
    _check_whole(model)
    if not model.graph.node:
        raise UsageError("this ONNX model has no nodes")
    return model


def _check_whole(message: Any) -> None:
    """See that the values of all tensors are in the file itself, not in another one that it names."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if getattr(part, "external_data", None) or getattr(part, "data_location", 0):
                raise UsageError("this ONNX model keeps tensors in other files", hint="save it as one file")
            _check_whole(part)


def _names(values: Any) -> list[str]:
    return [value.name for value in values]


def _inputs(model: Any) -> list[str]:
    constants = set(_names(model.graph.initializer))
    return [name for name in _names(model.graph.input) if name not in constants]


def _feed(model: Any, width: int) -> list[Any]:
    """Return nodes that make the inputs of a graph of `matrix`."""
    from onnx import TensorProto, helper

    names, kinds = _inputs(model), {value.name: value.type.tensor_type for value in model.graph.input}
    for name in names:
        if kinds[name].elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64):
            plain = name.removeprefix(_PREFIX)
            raise UsageError(f"input {plain!r} of this ONNX model is no tensor of floats or int64")
    if len(names) == 1:
        found = [d.dim_value for d in kinds[names[0]].shape.dim]
        if found[1:] and found[-1] not in (0, width):
            raise UsageError(f"this ONNX model takes {found[-1]} inputs, the model in the files has {width}")
        return [helper.make_node("Cast", ["matrix"], [names[0]], to=kinds[names[0]].elem_type)]
    if len(names) != width:
        raise UsageError(f"this ONNX model takes {len(names)} inputs, the model in the files has {width}")
    nodes = []
    for place, name in enumerate(names):
        flat = len(kinds[name].shape.dim) == 1
        at = helper.make_tensor(f"at_{place}", TensorProto.INT64, [] if flat else [1], [place])
        model.graph.initializer.append(at)
        nodes.append(helper.make_node("Gather", ["matrix", at.name], [f"column_{place}"], axis=1))
        nodes.append(helper.make_node("Cast", [f"column_{place}"], [name], to=kinds[name].elem_type))
    return nodes


def _source(model: Any) -> str:
    """Return the name of the tensor that holds the scores."""
    outputs = {value.name.removeprefix(_PREFIX).lower(): value for value in model.graph.output}
    found = next((outputs[name] for name in _PROBABILITIES if name in outputs), None)
    if found is None and len(outputs) == 1:
        (found,) = outputs.values()
    if found is None:
        hint = "one of them has to be named probabilities"
        raise UsageError(f"this ONNX model has outputs {', '.join(outputs)}: which is the score?", hint=hint)
    for node in model.graph.node:
        if node.op_type == "ZipMap" and found.name in node.output:
            return str(node.input[0])
    return str(found.name)


def _columns(model: Any, feeds: list[Any], source: str, width: int) -> int:
    """Return how many columns the scores have: the graph is asked, with a row of zeros."""
    from onnx import TensorProto, helper

    two = helper.make_tensor("two", TensorProto.INT64, [2], [0, -1])
    flat = helper.make_node("Reshape", [source, "two"], ["flat"])
    shape = helper.make_node("Shape", ["flat"], ["shape"])
    second = helper.make_node("Gather", ["shape", "one_more"], ["columns"], axis=0)
    asked = [flat, shape, second, helper.make_node("Cast", ["columns"], ["score"], to=TensorProto.DOUBLE)]
    model.graph.initializer.extend([two, helper.make_tensor("one_more", TensorProto.INT64, [1], [1])])
    whole = _whole(model, feeds, asked, width)
    return int(Onnx(whole).predict(np.zeros((1, width), dtype=np.float32))[0])


def _score_nodes(source: str, columns: int) -> list[Any]:
    from onnx import TensorProto, helper

    flat = helper.make_node("Reshape", [source, "two"], ["flat"])
    if columns > 2:
        one = helper.make_node("ArgMax", ["flat"], ["one"], axis=1, keepdims=1)
        return [flat, one, helper.make_node("Cast", ["one"], ["score"], to=TensorProto.DOUBLE)]
    last = helper.make_node(
        "Constant", [], ["last"], value=helper.make_tensor("v", TensorProto.INT64, [1], [columns - 1])
    )
    one = helper.make_node("Gather", ["flat", "last"], ["one"], axis=1)
    return [flat, last, one, helper.make_node("Cast", ["one"], ["score"], to=TensorProto.DOUBLE)]


def _whole(model: Any, feeds: list[Any], scores: list[Any], width: int) -> bytes:
    """Return a copy of a graph with nodes before and after it."""
    from onnx import ModelProto, TensorProto, helper

    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    own = [node for node in graph.node if node.op_type != "ZipMap"]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*feeds, *own, *scores])
    graph.input.append(helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [None, width]))
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.DOUBLE, None))
    if all(item.domain for item in made.opset_import):
        made.opset_import.append(helper.make_opsetid("", OPSET))
    made.ir_version = min(made.ir_version, IR_VERSION)
    return bytes(made.SerializeToString(deterministic=True))
