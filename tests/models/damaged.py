"""Model files that were damaged at random, and what becomes of them in a process of their own."""

from __future__ import annotations

import io
import random
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from featurectl.core.errors import DataError, UsageError
from featurectl.models.conversion.convert import convert_model
from featurectl.models.conversion.external_onnx import normal_onnx
from featurectl.models.isolation.limits import ProcessLimits
from featurectl.models.isolation.process import load_remote, open_process
from featurectl.models.runtimes.all_runtimes import load_runtime
from tests.models.estimators import CATBOOST, CATEGORY, LIGHTGBM, XGBOOST, fitted, label_of, matrix_of

ENDS = [-1, 0, 1, 2, 3, 7, 14, 15, 16, 255, 256, 1 << 15, (1 << 31) - 1, 1 << 31, 1 << 40, -2, -17, -(1 << 31)]
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "lightgbm": ("lightgbm.LGBMClassifier",
                 {**LIGHTGBM, "n_estimators": 3, "num_leaves": 8, "max_cat_to_onehot": 1, "cat_smooth": 0.1,
                  "min_data_per_group": 1}),
    "linear": ("lightgbm.LGBMRegressor", {**LIGHTGBM, "n_estimators": 3, "num_leaves": 8, "linear_tree": True}),
    "xgboost": ("xgboost.XGBClassifier", {**XGBOOST, "n_estimators": 3, "max_depth": 3, "max_cat_to_onehot": 1}),
    "dart": ("xgboost.XGBRegressor", {**XGBOOST, "n_estimators": 3, "max_depth": 3, "booster": "dart"}),
    "catboost": ("catboost.CatBoostClassifier", {**CATBOOST, "iterations": 3, "depth": 3}),
    "forest": ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 2, "max_depth": 3}),
    "histograms": ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 2, "max_depth": 3}),
    "neighbours": ("sklearn.neighbors.KNeighborsClassifier", {"algorithm": "kd_tree"}),
}  # fmt: skip


def whole_file(name: str) -> tuple[str, bytes, Any]:
    """Return the format, bytes and rows of a model that is as it should be."""
    rng = np.random.default_rng(1)
    matrix = matrix_of(rng, holes=name not in ("linear", "neighbours"))
    estimator, params = SMALL[name]
    categories = () if name == "linear" else (CATEGORY,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind, content, _ = fitted(estimator, params, matrix, label_of(rng, matrix, estimator), categories=categories)
    return kind, content, matrix


def whole_form(name: str) -> tuple[str, bytes, Any]:
    """Return the same of a model in another form: NAME.json, NAME.onnx, or "forest.old", ONNX as others write it."""
    of, _, form = name.partition(".")
    kind, content, matrix = whole_file(of)
    match form:
        case "onnx":
            return "onnx", as_onnx(kind, content, matrix), matrix
        case "old":
            return "onnx", as_old_onnx(), matrix
        case "json":
            return kind, as_json(content), matrix
        case _:
            return kind, content, matrix


def as_onnx(kind: str, content: bytes, matrix: Any) -> bytes:
    """Return a model as ONNX."""
    native = load_runtime(kind, content, allow_pickle=False)
    return convert_model(kind, content, native, matrix, [CATEGORY]).content


def as_old_onnx() -> bytes:
    """Return a forest as other converters write it."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier

    matrix = matrix_of(np.random.default_rng(1), holes=False)
    model = RandomForestClassifier(2, max_depth=3, random_state=1).fit(matrix, matrix[:, CATEGORY] > 2)
    made = convert_sklearn(
        model, initial_types=[("rows", FloatTensorType([None, 5]))], options={id(model): {"zipmap": False}}
    )
    return normal_onnx(bytes(made.SerializeToString()), 5)


def as_json(content: bytes) -> bytes:
    """Return an XGBoost model as JSON."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return bytes(booster.save_raw("json"))


def flipped(draw: random.Random, content: bytes) -> bytes:
    """Return bytes with some bits of them turned."""
    made = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 5, 20])):
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def cut(draw: random.Random, content: bytes) -> bytes:
    """Return bytes that are cut off, or without a part of the middle, or with a part twice."""
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return draw.choice([content[:last], content[:first] + content[last:], content[:last] + content[first:]])


def renumbered(draw: random.Random, content: bytes) -> bytes:
    """Return a text with some of its whole numbers replaced by others, out of range for the most part."""
    found = list(re.finditer(rb"(?<![\d.eE])-?\d+(?![\d.eE])", content))
    made = content
    for match in sorted(draw.sample(found, draw.choice([1, 1, 1, 2, 4])), key=lambda m: -m.start()):
        made = made[: match.start()] + str(draw.choice(ENDS)).encode() + made[match.end() :]
    if made.startswith(b"tree\n") and draw.random() < 0.9:
        made = with_sizes(made)
    return made


def with_sizes(content: bytes) -> bytes:
    """Return LightGBM's text with the sizes of its trees as they are: who makes a file to do harm says them right."""
    _, *trees = content.partition(b"end of trees")[0].split(b"Tree=")
    sizes = b" ".join(str(len(b"Tree=" + tree)).encode() for tree in trees)
    return re.sub(rb"tree_sizes=[^\n]*", b"tree_sizes=" + sizes, content, count=1)


def words_changed(draw: random.Random, content: bytes) -> bytes:
    """Return bytes with some 32-bit words of them replaced: places, lengths and offsets of binary formats."""
    made = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4])):
        place = draw.randrange(max(len(made) - 4, 1))
        made[place : place + 4] = (draw.choice(ENDS) & 0xFFFFFFFF).to_bytes(4, draw.choice(["little", "big"]))
    return bytes(made)


def attribute_changed(draw: random.Random, content: bytes) -> bytes:
    """Return a graph with some of the whole numbers of its attributes replaced."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(content)
    for _ in range(draw.choice([1, 1, 2, 4])):
        node = draw.choice([node for node in model.graph.node if node.attribute])
        attribute = draw.choice(list(node.attribute))
        if attribute.ints:
            attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(ENDS)
        elif attribute.HasField("t"):
            values = numpy_helper.to_array(attribute.t).copy().ravel()
            if len(values):
                with np.errstate(all="ignore"):
                    values[draw.randrange(len(values))] = np.array(draw.choice(ENDS)).astype(values.dtype)
            attribute.t.CopyFrom(numpy_helper.from_array(values[: draw.choice([None, None, -1])], attribute.name))
        elif attribute.HasField("i"):
            attribute.i = draw.choice(ENDS)
    return bytes(model.SerializeToString())


def zipped(how: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, bytes], bytes]:
    """Return a way to damage one file of a zip, whose sums are right again: skops' files are such."""

    def damaged(draw: random.Random, content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w") as made:
            chosen = draw.choice(given.namelist())
            for name in given.namelist():
                data = given.read(name)
                made.writestr(name, how(draw, data) if name == chosen and len(data) > 1 else data)
        return out.getvalue()

    return damaged


def damages(kind: str, content: bytes) -> list[Callable[[random.Random, bytes], bytes]]:
    """Return the ways to damage a file of a format."""
    if kind == "onnx":
        return [attribute_changed, attribute_changed, attribute_changed, words_changed, flipped, cut]
    if kind == "skops":
        return [zipped(words_changed), zipped(words_changed), zipped(flipped), cut]
    is_text = kind == "txt" or (kind == "ubj" and content[1:2] != b"L")
    return (
        [renumbered, renumbered, renumbered, flipped, cut] if is_text else [words_changed, words_changed, flipped, cut]
    )


def end_of(kind: str, content: bytes, matrix: Any, limits: ProcessLimits) -> str:
    """Return what becomes of a file in a process of its own: "taken", "refused", or the code of how that ended."""
    with open_process(limits) as process:
        try:
            model = load_remote(process, kind, content, matrix.shape[1])
            model.prove(matrix)
            if kind != "onnx":
                model.convert(kind, matrix, [CATEGORY])
        except DataError as error:
            return error.code if error.code in ("FC530", "FC531") else "refused"
        except (UsageError, ValueError):
            return "refused"
    return "taken"


def campaign(name: str, seeds: Iterable[int], limits: ProcessLimits) -> Counter[str]:
    """Return how many files of a kind of model ended how, each damaged by another seed."""
    kind, content, matrix = whole_form(name)
    found = Counter({f"whole: {end_of(kind, content, matrix, limits)}": 1})
    for seed in seeds:
        draw = random.Random(seed)
        found[end_of(kind, draw.choice(damages(kind, content))(draw, content), matrix, limits)] += 1
    return found
