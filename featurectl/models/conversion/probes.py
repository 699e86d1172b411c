"""Rows on which a converted model would differ first: values at the thresholds of its trees, and beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from featurectl.models.runtimes.base import Matrix

ROWS: Final = 1_000


def probe_rows(model: bytes, seen: Matrix, categories: list[int]) -> list[Matrix]:
    """Return two tables of rows made of values that were seen and of thresholds; the second has NaN anywhere.

    A category holds only codes that were seen, and NaN where it had any.
    """
    rng = np.random.default_rng(0)
    thresholds = _thresholds(model)
    plain = np.empty((ROWS, seen.shape[1]), dtype=np.float32)
    for place in range(seen.shape[1]):
        column = rng.choice(seen[:, place], ROWS)
        known = thresholds.get(place)
        if known is not None and place not in categories:
            at = rng.choice(known, ROWS)
            column = np.where(rng.random(ROWS) < 0.8, at, column)
        plain[:, place] = column
    holed = np.where(rng.random(plain.shape) < 0.2, np.float32(np.nan), plain)
    return [plain, holed]


def _thresholds(model: bytes) -> Mapping[int, Matrix]:
    """Return, by column, each threshold of the trees as the float32 below, at and above it."""
    import onnx
    from onnx import numpy_helper

    found: dict[int, Matrix] = {}
    for node in onnx.load_from_string(model).graph.node:
        if node.op_type != "TreeEnsemble":
            continue
        attributes: dict[str, Any] = {item.name: item for item in node.attribute}
        columns = np.array(attributes["nodes_featureids"].ints)
        splits = numpy_helper.to_array(attributes["nodes_splits"].t).astype(np.float32)
        for column in np.unique(columns):
            at = np.unique(splits[columns == column])
            near = (at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf)))
            found[int(column)] = np.concatenate(near)
    return found
