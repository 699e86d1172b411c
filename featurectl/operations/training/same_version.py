"""A version that was made of equal data, code and parameters, and which another training would make again.

Equal means: rows and label of the training set and of the validation source, versions of the views and what their
features mean, estimator, parameters, seed, the trainer's code, and versions of Python and the libraries.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.errors import DataError, UsageError
from featurectl.identity.facts.models import model_facts, model_metadata
from featurectl.language.definitions.model import Model, Trainer
from featurectl.models.artifact import check_files_of
from featurectl.models.split import Examples
from featurectl.operations.training.asked_gates import check_gates
from featurectl.operations.training.champion import EvaluationContext, current_champion
from featurectl.operations.training.data import TrainingData
from featurectl.operations.training.digest import digest_rows
from featurectl.operations.training.distributions import distributions_of
from featurectl.operations.training.manifest import LIBRARIES, library_versions
from featurectl.operations.training.train import bind_inputs, require_trainer, trainer_libraries
from featurectl.registry.applied import newest_usable
from featurectl.registry.state import ModelVersion
from featurectl.workspace.run_id import run_id_of

MADE_OF: Final = "made_of_sha256"  # in the manifest of a version: equal in versions that are made of the same
_ASKED_AGAIN: Final = ("gates.", "canary.")  # what a model says of versions that are there
_CONVERTERS: Final = ("skops", "onnx", "onnxruntime")
_NO_CODE: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


def digest_of(data: TrainingData, root: Path) -> str | None:
    """Return the digest of all that decides how a training ends; None: the trainer's code can't be seen."""
    model, trainer = data.model, require_trainer(data.model)
    code = _code(trainer, root)
    if code is None:
        return None
    examples = data.examples()
    made_of = {
        "model": _facts(model),
        "inputs": [asdict(item) for item in bind_inputs(model.inputs, data.rows.views)],
        "rows": _digest(examples, trainer.sample),
        "validation": None if examples.holdout is None else _digest(examples.holdout, 1.0),
        "code": code,
        "libraries": _libraries(trainer, whole=bool(code)),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()


def find_same(digest: str, model: str, context: EvaluationContext) -> ModelVersion | None:
    """Return a version of a digest with what the gates of now find of it: the champion, or else the newest; or None.

    It is none where a file of it is gone, where the gates let it pass that rejected it, and, in the run of a pipeline,
    where a newer one is there: what follows in the run takes the newest.

    Raises:
        StoreError: a store can't be read now.
    """
    state, champion = context.state, current_champion(context.state, model)
    equal = [
        item
        for item in state.model_versions
        if item.model == model and item.status != "retired" and item.manifest.get(MADE_OF) == digest
    ]
    if not equal:
        return None
    same = champion if champion in equal else max(equal, key=lambda item: item.version)
    assert same is not None
    if run_id_of(context.workspace.environ) and newest_usable(state, model).version != same.version:
        return None
    try:
        check_files_of(context.location, same)
        gates = check_gates(same, context)
    except (DataError, UsageError):
        return None
    is_passed = all(item.passed is not False for item in gates)
    return None if is_passed and same.status == "rejected" else replace(same, gates=gates)


def _facts(model: Model) -> dict[str, object]:
    """Return what a model says that is fixed in a version."""
    facts = {**model_facts(model), **model_metadata(model)}
    return {name: fact.value for name, fact in facts.items() if not name.startswith(_ASKED_AGAIN)}


def _digest(examples: Examples, sample: float) -> list[object]:
    """Return what there is to learn from: the rows with a label up to now; all where a share of them is drawn."""
    rows = examples.rows.with_columns(examples.label.alias("\x00label"), examples.time.alias("\x00time"))
    if sample == 1.0:
        known = pl.col("\x00label").is_not_null() & pl.col("\x00time").is_not_null()
        rows = rows.filter(known if examples.now is None else known & (pl.col("\x00time") <= examples.now))
    return [examples.label.name, digest_rows(rows)]


def _libraries(trainer: Trainer, *, whole: bool) -> dict[str, str]:
    """Return versions of what an estimator needs; of everything that is installed where code of one's own trains."""
    if whole:
        installed = {name: item.version for item in metadata.distributions() if (name := item.metadata["Name"])}
        return library_versions() | installed
    names = (*LIBRARIES, *trainer_libraries(trainer), *(name for top in _CONVERTERS for name in distributions_of(top)))
    return library_versions(tuple(dict.fromkeys(names)))


def _code(trainer: Trainer, root: Path) -> dict[str, str] | None:
    """Return the digests of the files of a trainer's own code; none of a library's, whose version says it.

    Code of one's own may import any other in the repository, so all of its Python files are looked at. None: they can't
    be seen, as those of a command that names no file.
    """
    try:
        return {os.path.relpath(file, root): _sha256(file) for file in _own_files(trainer, root)}
    except (OSError, ValueError):  # a file can't be read, or the command's words not told apart
        return None


def _own_files(trainer: Trainer, root: Path) -> list[Path]:
    """Return the files of a trainer's own code.

    Raises:
        FileNotFoundError: they can't be seen.
    """
    if trainer.estimator is None:
        named = [root / word for word in shlex.split(trainer.run or "") if (root / word).is_file()]
        if not named:
            raise FileNotFoundError(trainer.run)
        return [*_python_files(root), *named]
    top = trainer.estimator.replace(":", ".").partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module that was made as the process runs
        spec = None
    if spec is None or spec.origin is None:
        raise FileNotFoundError(top)
    file = Path(spec.origin)
    if any(file.is_relative_to(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")):
        return []
    beside = _python_files(file.parent) if spec.submodule_search_locations else [file]
    return [*beside, *(_python_files(root) if file.is_relative_to(root) else ())]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _python_files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NO_CODE]
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        yield from (Path(place, name) for name in files if name.endswith(".py"))
