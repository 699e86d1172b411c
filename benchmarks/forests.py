"""Random models scored by compiled loops and by their libraries: how many are the same to the bit, and how fast.

    python -m benchmarks.forests [MODELS] [LIBRARY ...]     LIBRARY: lightgbm xgboost forests (of scikit-learn)

The models are those of `benchmarks.conversion`. Rows are those of the training, with values at the thresholds and beside
them, and with NaN anywhere. "refused" are models that the golden rows of the training show to be different, by kind: the
library scores these. "different" are models that the golden rows let pass and some other row shows: there should be none.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.conversion import fitted
from featurectl.core.errors import DataError
from featurectl.models.conversion.convert import convert_model
from featurectl.models.conversion.probes import probe_rows
from featurectl.models.golden_rows import choose_rows
from featurectl.models.runtimes.forest import CompiledForest, NotTheSameError, may_compile

LIBRARIES = ("lightgbm", "xgboost", "forests")
SPEED_ROWS = 100_000


def compared(library: str, seed: int) -> tuple[str, float]:
    """Return what became of one random model, and how much faster it was scored (0: not at all)."""
    try:
        name, form, content, native, matrix, categories = fitted(library, seed)
    except DataError:
        return "not made", 0.0
    converted = convert_model(form, content, native, matrix, categories)
    if converted.missing or not may_compile(form):
        return f"not converted: {name}", 0.0
    try:
        forest = CompiledForest(converted.content, form, content)
    except NotTheSameError as error:
        return f"left to the library: {error}", 0.0
    if not same(forest, native, matrix[choose_rows(len(matrix))]):
        return f"refused: {name}", 0.0
    if not all(same(forest, native, rows) for rows in (matrix, *probe_rows(converted.content, matrix, categories))):
        return f"different: {name}", 0.0
    return "equal to the bit", _faster(forest, native, matrix)


def same(forest: CompiledForest, native: Any, rows: Any) -> bool:
    """Return whether both give the same bits; rows that the library refuses count as the same."""
    try:
        expected = native.predict(rows)
    except ValueError:
        return True
    return np.array_equal(forest.predict(rows), expected, equal_nan=True)


def _faster(forest: CompiledForest, native: Any, matrix: Any) -> float:
    rows = np.resize(matrix, (SPEED_ROWS, matrix.shape[1]))
    times = []
    for model in (native, forest):
        begin = time.process_time()
        model.predict(rows)
        times.append(time.process_time() - begin)
    return times[0] / times[1]


def main(models: int, libraries: list[str]) -> None:
    """Print a line a library."""
    warnings.filterwarnings("ignore")
    for library in libraries:
        found: Counter[str] = Counter()
        faster = []
        for seed in range(models):
            what, ratio = compared(library, seed)
            found[what] += 1
            faster += [ratio] if ratio else []
        ratios = " ".join(f"{value:.1f}" for value in np.quantile(faster, [0, 0.1, 0.5, 0.9])) if faster else "-"
        print(f"{library}: {', '.join(f'{count} {what}' for what, count in found.most_common())}")
        print(f"  processor time of the library for that of the loops, least, 10 %, median, 90 %: {ratios}", flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 100, words[1:] or list(LIBRARIES))
