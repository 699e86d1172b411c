"""A model as MLflow saves it: a folder whose `MLmodel` says which flavors of it there are. Only data is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.language.problems.report import Report
from featurectl.language.syntax.node import Fields, File
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_regular_file
from featurectl.language.syntax.reader import MAX_BYTES, read_nodes, read_text
from featurectl.models.all_model_formats import FORMATS_BY_FLAVOR, FORMATS_BY_SUFFIX
from featurectl.models.runtimes.base import PICKLE, SKOPS

_SKLEARN: Final = "sklearn"


def mlflow_file(folder: Path) -> tuple[Path, str]:
    """Return the file of a saved model and its format; a pickle only where there is no data.

    Nothing is imported and nothing run: a flavor `python_function` is the name of a module that would load the model.

    Raises:
        UsageError: it is no such folder, or has no flavor that can be read.
    """
    flavors = _flavors(folder)
    known = {name: node for name, node in flavors.nodes.items() if name in FORMATS_BY_FLAVOR}
    found = [(name, node) for name, node in known.items() if isinstance(node, Fields)]
    if not found:
        flavor_names = ", ".join(flavors.nodes) or "none"
        hint = "flavors: " + ", ".join(FORMATS_BY_FLAVOR)
        raise UsageError(f"{folder}: no flavor of this MLflow model can be read (it has {flavor_names})", hint=hint)
    files = [_file_of(folder, name, node) for name, node in found]
    return next((pair for pair in files if pair[1] != PICKLE), files[0])


def _flavors(folder: Path) -> Fields:
    path = folder / "MLmodel"
    try:
        content = read_regular_file(path, MAX_BYTES)
    except (OSError, NotOwnFileError, FileTooLargeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: {reason}", hint="a folder that mlflow.*.save_model wrote") from error
    report = Report()
    text = read_text("MLmodel", content, report)
    node = None if text is None else read_nodes(File("MLmodel", text), report)
    flavors = node.get("flavors") if isinstance(node, Fields) else None
    if report.errors or not isinstance(flavors, Fields):
        what = report.problems[0].message if report.problems else "it has no flavors"
        raise UsageError(f"{path} can't be read: {what}")
    return flavors


def _file_of(folder: Path, name: str, flavor: Fields) -> tuple[Path, str]:
    key = "pickled_model" if name == _SKLEARN else "data"
    file_name = flavor.text(key)
    path = (folder / file_name).resolve()
    if not file_name or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(f"{folder}: flavor {name} names no file of the folder as `{key}`")
    pickled = name == _SKLEARN and flavor.text("serialization_format") != SKOPS
    if pickled or FORMATS_BY_SUFFIX.get(path.suffix.lower()) == PICKLE:
        return path, PICKLE
    return path, FORMATS_BY_FLAVOR[name]
