"""A model version as a folder for others: its files, checked; a description of its inputs; how to use them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from featurectl.core.disk_room import write_failure
from featurectl.core.documents import parse_json
from featurectl.core.errors import UsageError
from featurectl.core.units import format_iso
from featurectl.language.syntax.own_files import why_no_output
from featurectl.models.artifact import read_artifact
from featurectl.models.runtimes.base import FUNCTION, ONNX
from featurectl.registry.state import ModelVersion

INPUTS: Final = "inputs.json"
_MODEL: Final = "model"
_README: Final = """# {model} version {version}

| file | what it is |
|---|---|
{files}

`inputs.json` lists the inputs in the order of the matrix. A row is float32, a value per input: null is NaN, a bool 0 or
1, a category the place of its value in `categories`, NaN where it is not there. `default` is what a feature without a
value has. The score is `{output}`.
{onnx}
To register it in another repository, whose files have a model of these inputs:

```
featurectl models import {model} --file {native}
```
"""
_ONNX_USE: Final = """
```python
import numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
(scores,) = session.run(["score"], {{"matrix": numpy.zeros((1, {width}), dtype=numpy.float32)}})
```
"""


def write_export(version: ModelVersion, output: str, location: str, folder: Path) -> list[str]:
    """Write a version into a new folder, whole or not at all, and return the names of the files.

    Nothing is loaded: a pickle is copied as it is.

    Raises:
        UsageError: the folder is there and not empty, or can't be written; a Python function is no file.
        DataError: FC512, a file of the version is gone or is not the one that was registered.
    """
    if reason := why_no_output(folder):
        raise UsageError(f"{folder} is not written: {reason}", hint="remove the link, or name another folder")
    files = _files(version, output, location)
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise UsageError(f"--out {folder} is there already", hint="name a new folder")
        beside = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
        try:
            for name, content in files.items():
                (beside / name).write_bytes(content)
            os.chmod(beside, 0o755)  # noqa: S103, PTH101 (a folder of mkdtemp is for its owner alone)
            beside.replace(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise write_failure(f"--out {folder} can't be written", error) from error
    return list(files)


def _files(version: ModelVersion, output: str, location: str) -> dict[str, bytes]:
    if version.artifact_format == FUNCTION:
        what = f"model {version.model} version {version.version} is a Python function: there is no file to export"
        raise UsageError(what)
    native = f"{_MODEL}.{version.artifact_format}"
    found = {native: read_artifact(location, version.artifact, version.artifact_sha256)}
    described = {native: "the model in the format of its library"}
    if version.onnx and version.artifact_format != ONNX:
        found[f"{_MODEL}.onnx"] = read_artifact(location, version.onnx, version.onnx_sha256)
        described[f"{_MODEL}.onnx"] = "the same as ONNX: `matrix` in, `score` out"
    if version.golden:
        found["golden.json"] = read_artifact(location, version.golden, version.golden_sha256)
        described["golden.json"] = "rows with their raw inputs, and the scores that the model gives them"
    described[INPUTS] = "the inputs, the output, metrics, versions and digests"
    found[INPUTS] = json.dumps(_described(version, output, native), indent=2, ensure_ascii=False).encode() + b"\n"
    found["README.md"] = _README.format(
        model=version.model,
        version=version.version,
        files="\n".join(f"| `{name}` | {text} |" for name, text in described.items()),
        output=output,
        onnx=_ONNX_USE.format(width=len(version.inputs)) if version.onnx else "",
        native=native,
    ).encode()
    return found


def _described(version: ModelVersion, output: str, native: str) -> dict[str, object]:
    return {
        "model": version.model,
        "version": version.version,
        "output": output,
        "label": version.label,
        "file": native,
        "format": version.artifact_format,
        "sha256": version.artifact_sha256,
        "inputs": [asdict(item) for item in version.inputs],
        "metrics": dict(version.metrics),
        "libraries": dict(version.libraries),
        "created_at": format_iso(version.created_at),
    }


def exported_categories(file: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the lists of categories by input, of the export that a file is part of; empty where it is of none."""
    try:
        document: dict[str, Any] = parse_json((file.parent / INPUTS).read_text(encoding="utf-8"))
        name, inputs = str(document["file"]), list(document["inputs"])
        lists = {str(item["name"]): item["categories"] for item in inputs}
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    if file.name not in {name, f"{_MODEL}.onnx"}:
        return {}
    return {key: tuple(map(str, values)) for key, values in lists.items() if isinstance(values, list)}
