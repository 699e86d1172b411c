"""Files of models that were trained elsewhere, on the rows of the small shop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.model_shop import VIEWS, Shop
from tests.prepared import make_once

MODEL = f"""{VIEWS}
models:
  - name: m
    spine: {{source: s, time: at, label: {{name: big, expr: amount > 20}}}}
    features: [{{feature: "v:qty", as: q}}, {{feature: "v:half"}}, {{feature: "v:kind", as: c, type: category, categories: [a, b]}}]
    allow_pickle: ALLOW
"""  # noqa: E501  # lines of a file or a screen
PLAIN, ALLOWED = MODEL.replace("ALLOW", "false"), MODEL.replace("ALLOW", "true")


_rows: dict[str, bytes] = {}
_files: dict[tuple[str, object], tuple[bytes, Any]] = {}


def rows_of(shop: Shop) -> tuple[Any, Any]:
    """Return the model's matrix and labels, as somebody else would make them; the same in each shop."""
    if not _rows:
        shop.run("training-set", "m", "--out", "t.parquet")
        _rows["t.parquet"] = (shop.root / "t.parquet").read_bytes()
    rows = pl.read_parquet(_rows["t.parquet"])
    codes = rows["c"].replace_strict({"a": 0.0, "b": 1.0}, return_dtype=pl.Float32)
    matrix = np.column_stack([rows["q"].cast(pl.Float32), rows["half"].cast(pl.Float32), codes]).astype(np.float32)
    return matrix, rows["big"].cast(pl.Int64).to_numpy()


def _lightgbm(shop: Shop, path: Path, names: Sequence[str] | None = ("q", "half", "c")) -> Any:
    import lightgbm

    matrix, label = rows_of(shop)
    data = lightgbm.Dataset(matrix, label, feature_name=list(names) if names else "auto", categorical_feature=[2])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 2, "num_threads": 1}, data, 5)
    booster.save_model(path)
    return booster.predict(matrix)


def _xgboost(shop: Shop, path: Path) -> Any:
    import xgboost

    matrix, label = rows_of(shop)
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(matrix, label)
    model.save_model(path)
    return model.predict_proba(matrix)[:, 1]


def _catboost(shop: Shop, path: Path) -> Any:
    import catboost

    matrix, label = rows_of(shop)
    model = catboost.CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False, thread_count=1)
    model.fit(matrix, label)
    model.save_model(path)
    return model.predict_proba(matrix)[:, 1]


def forest(shop: Shop) -> tuple[Any, Any]:
    """Return a fitted forest, and the matrix."""
    from sklearn.ensemble import RandomForestClassifier

    matrix, label = rows_of(shop)
    return RandomForestClassifier(5, random_state=1).fit(matrix, label), matrix


def _skops(shop: Shop, path: Path) -> Any:
    from skops import io

    model, matrix = forest(shop)
    io.dump(model, path)
    return model.predict_proba(matrix)[:, 1]


def _onnx(shop: Shop, path: Path, *, zipmap: bool) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    model, matrix = forest(shop)
    made = convert_sklearn(
        model, initial_types=[("rows", FloatTensorType([None, 3]))], options={id(model): {"zipmap": zipmap}}
    )
    Path(path).write_bytes(made.SerializeToString())
    return model.predict_proba(matrix)[:, 1]


def _onnx_of_columns(shop: Shop, path: Path) -> Any:
    """A graph with an input per column: 2 q - half, and the code of c."""
    from onnx import TensorProto, helper

    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])  # noqa: E731
    nodes = [helper.make_node("Add", ["q", "q"], ["two"]), helper.make_node("Sub", ["two", "half"], ["part"])]
    nodes.append(helper.make_node("Add", ["part", "c"], ["answer"]))
    graph = helper.make_graph(nodes, "g", [value("q"), value("half"), value("c")], [value("answer")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    Path(path).write_bytes(made.SerializeToString())
    matrix, _ = rows_of(shop)
    return 2 * matrix[:, 0] - matrix[:, 1] + matrix[:, 2]


MAKERS = {
    "model.txt": _lightgbm,
    "model.ubj": _xgboost,
    "model.json": _xgboost,
    "model.cbm": _catboost,
    "model.skops": _skops,
    "tensor.onnx": lambda shop, path: _onnx(shop, path, zipmap=False),
    "maps.onnx": lambda shop, path: _onnx(shop, path, zipmap=True),
    "columns.onnx": _onnx_of_columns,
}


def put_file(shop: Shop, name: str, **more: Any) -> Any:
    """Write a file of a model into a shop, and return the scores that it gives to the rows."""
    key = (name, tuple(more.items()))
    if key not in _files:
        scores = MAKERS[name](shop, shop.root / name, **more)
        _files[key] = ((shop.root / name).read_bytes(), scores)
    content, scores = _files[key]
    (shop.root / name).write_bytes(content)
    return scores


def make_imported(shop: Shop, name: str = "model.txt") -> Any:
    """Make a shop that has imported and promoted a file, and return the scores; `imported.json` has what it said."""

    def make() -> None:
        shop.make(PLAIN)
        put_file(shop, name)
        said = shop.run("models", "import", "m", "--file", name, "-o", "json").out
        (shop.root / "imported.json").write_text(said)
        shop.run("models", "promote", "m@1")

    make_once(f"{PLAIN} {name}", shop.root, make)
    return put_file(shop, name)
