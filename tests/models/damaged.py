"""Model files that were damaged at random, and what becomes of them in a process of their own."""

from __future__ import annotations

import importlib
import io
import multiprocessing
import os
import random
import re
import resource
import signal
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any

import numpy as np

from featurectl.models.conversion.convert import convert_model
from featurectl.models.conversion.external_onnx import normal_onnx
from featurectl.models.file_checks.check import check_structure
from featurectl.models.isolation.worker import import_alone
from featurectl.models.runtimes.all_runtimes import load_runtime
from tests.models.estimators import CATBOOST, CATEGORY, LIGHTGBM, XGBOOST, fitted, label_of, matrix_of

SECONDS = 60
_LONG = 3_600  # seconds, for a worker that has died and will not answer
BAD = ("killed", "endless", "out of memory", "ended")
ENOUGH_MEMORY = 4 << 30
ENDS = [-1, 0, 1, 2, 3, 7, 14, 15, 16, 255, 256, 1 << 15, (1 << 31) - 1, 1 << 31, 1 << 40, -2, -17, -(1 << 31)]
LIBRARIES = {
    "txt": ["lightgbm"],
    "ubj": ["xgboost"],
    "cbm": ["catboost"],
    "onnx": ["onnx", "onnxruntime"],
    "skops": ["skops.io", "sklearn.ensemble", "sklearn.neighbors"],
}
ALONE = ("lightgbm", "xgboost")
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


def outcome(work: Callable[[], object]) -> str:
    """Return how a process of its own ends that does some work: "done", "refused", "killed by N" or "endless"."""
    process = os.fork()
    if not process:
        _quiet()
        try:
            work()
        except MemoryError:
            os._exit(3)
        except BaseException:  # noqa: BLE001  # however it ends, the child must not return
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "endless" if number in (signal.SIGALRM, signal.SIGXCPU) else f"killed by {signal.Signals(number).name}"
    return {0: "done", 2: "refused", 3: "out of memory"}.get(os.WEXITSTATUS(status), "ended")


def _quiet() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (ENOUGH_MEMORY, ENOUGH_MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)


def use(kind: str, content: bytes, matrix: Any) -> None:
    """Load a model and have it score rows, also such as no training has."""
    runtime = load_runtime(kind, content, allow_pickle=False, threads=1)
    for rows in (matrix, np.nan_to_num(matrix) * -1e30, np.nan_to_num(matrix, nan=1e30), np.zeros_like(matrix)):
        try:
            runtime.predict(rows)
        except ValueError:
            continue


def try_file(kind: str, content: bytes, matrix: Any, *, checked: bool = True) -> str:
    """Return what becomes of a file: "seen" where it is refused before its library has it, else how that ends."""
    if checked:
        end = outcome(lambda: _check(kind, content))
        if end != "done":
            return "seen" if end == "refused" else end
    return outcome(lambda: use(kind, content, matrix))


def _check(kind: str, content: bytes) -> None:
    """See to the structure of a file; an error of another kind than it says ends the process otherwise."""
    try:
        check_structure(kind, content)
    except ValueError:
        raise
    except Exception:  # noqa: BLE001  # what is looked for: any error of another kind
        os._exit(4)


@contextmanager
def another_process() -> Iterator[Pool]:
    """Give a process that uses files, which are made here.

    A fork of a process whose library has begun threads would wait for them.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


def campaign(names: Sequence[str], seeds: range, pool: Pool) -> dict[str, Counter[str]]:
    """Return how many files of each kind of model ended how in another process, each damaged by another seed."""
    return {name: pool.apply_async(_campaign, (*whole_form(name), seeds)).get(_LONG) for name in names}


def _campaign(kind: str, content: bytes, matrix: Any, seeds: range) -> Counter[str]:
    load_libraries(kind)
    found = Counter({"whole: " + try_file(kind, content, matrix): 1})
    for seed in seeds:
        draw = random.Random(seed)
        end = try_file(kind, draw.choice(damages(kind, content))(draw, content), matrix)
        found[f"{end} (seed {seed})" if end.startswith(BAD) else end] += 1
    return found


def load_libraries(kind: str) -> None:
    """Load the libraries of a format once, before processes are made of this one."""
    for name in LIBRARIES[kind]:
        import_alone(name) if name in ALONE else importlib.import_module(name)
