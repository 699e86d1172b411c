"""A trainer's command: it is given the training set in files and leaves one file with a model."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.errors import DataError, UsageError
from featurectl.core.temporary_folders import temporary_folder
from featurectl.core.units import plural
from featurectl.language.definitions.model import Trainer
from featurectl.models.all_model_formats import MODEL_FORMATS
from featurectl.models.golden_rows import choose_rows
from featurectl.models.isolation.limits import limits_of
from featurectl.models.isolation.process import load_remote, open_process
from featurectl.models.reasons import reason_of
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import ONNX, check_code_allowed
from featurectl.models.training_inputs import EncodedModel, TrainingInputs

FORMATS: Final = {f"model{suffix}": item.name for item in MODEL_FORMATS.values() for suffix in item.suffixes}
_LAST_LINES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnvironment:
    """Where a trainer's command runs: in a folder, its output reported line by line.

    `manifest` is that of the training set, `allow_pickle` what the command line says of pickles, `memory_bytes` how
    much the process may take that reads the model.
    """

    folder: Path
    report: Callable[[str], object]
    manifest: Mapping[str, object]
    allow_pickle: bool = False
    memory_bytes: int = 0


def run_command(
    learning: TrainingInputs, trainer: Trainer, commands: CommandEnvironment, *, allow_pickle: bool
) -> EncodedModel:
    """Return the model that a trainer's command leaves in its folder; `allow_pickle` is what the definition says.

    Raises:
        DataError: FC513, it fails, or leaves no model that can be read and that takes the inputs; FC514, a pickle
            that the definition does not allow.
        UsageError: a pickle, and --allow-pickle was not given.
    """
    assert trainer.run is not None
    with temporary_folder("training") as room:
        environment = _prepare(learning, trainer, commands, room)
        _run(trainer.run, environment, commands)
        path = _found(trainer.run, Path(environment["FEATURECTL_OUT"]))
        kind = FORMATS[path.name]
        check_code_allowed(kind, in_model=allow_pickle, by_flag=commands.allow_pickle)
        return _loaded(path, kind, learning, trainer.run, commands)


def _prepare(learning: TrainingInputs, trainer: Trainer, commands: CommandEnvironment, room: Path) -> dict[str, str]:
    """Write the training set and its manifest, and return the environment of the command."""
    examples, out = learning.examples, room / "out"
    out.mkdir()
    rows = examples.rows.select(learning.names).with_columns(examples.label)
    if examples.time.name not in rows.columns:
        rows = rows.with_columns(examples.time)
    rows.write_parquet(room / "training_set.parquet")
    manifest = _manifest(learning, trainer, commands)
    (room / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2), encoding="utf-8")
    return {
        "FEATURECTL_TRAINING_SET": str(room / "training_set.parquet"),
        "FEATURECTL_MANIFEST": str(room / "manifest.json"),
        "FEATURECTL_MODEL": learning.model,
        "FEATURECTL_OUT": str(out),
        "FEATURECTL_SEED": str(trainer.seed),
    }


def _manifest(learning: TrainingInputs, trainer: Trainer, commands: CommandEnvironment) -> dict[str, object]:
    inputs = [
        {"name": item.name, "type": item.model_dtype}
        | ({} if item.categories is None else {"categories": list(item.categories)})
        for item in learning.form.inputs
    ]
    return {
        "model": learning.model,
        "inputs": inputs,
        "label": learning.examples.label.name,
        "time": learning.examples.time.name,
        "rows": len(learning.label),
        "params": dict(trainer.params),
        "seed": trainer.seed,
        "training_set": commands.manifest,
    }


def _run(command: str, environment: Mapping[str, str], commands: CommandEnvironment) -> None:
    """Run a command to its end; its output is reported as it comes."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        process = subprocess.Popen(
            shlex.split(command),
            cwd=commands.folder,
            env={"PYTHONUNBUFFERED": "1", **os.environ, **_own_python(), **environment},  # what it says comes in order
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, ValueError, IndexError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"the trainer's command `{command}` can't be started: {reason}", code="FC513") from error
    try:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                commands.report(line)
                if line.strip():
                    last.append(line.rstrip())
        code = process.wait()
    finally:
        process.kill()  # it is there only if this one is interrupted
        process.wait()
    if code:
        how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        raise DataError(f"the trainer's command `{command}` {how}", code="FC513", hint=_last_lines(last))


def _own_python() -> dict[str, str]:
    """Return the PATH on which `python` is this one, unless a virtual environment is active, which says which it is."""
    if any(os.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")):
        return {}
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _last_lines(last: deque[str]) -> str:
    return "it said: " + "\n    ".join(last) if last else "it said nothing"


def _found(command: str, out: Path) -> Path:
    """Return the one model file in a folder."""
    found = sorted(path.name for path in out.iterdir())
    models = [name for name in found if name in FORMATS]
    if len(models) != 1:
        left = f"{len(models)} models: {', '.join(models)}" if models else "no model"
        others = f" ({plural(len(found), 'a file', 'files')}: {', '.join(found[:5])})" if found and not models else ""
        raise DataError(
            f"the trainer's command `{command}` left {left} in FEATURECTL_OUT{others}",
            code="FC513",
            hint="it writes one of " + ", ".join(FORMATS),
        )
    return out / models[0]


def _loaded(
    path: Path, kind: str, learning: TrainingInputs, command: str, commands: CommandEnvironment
) -> EncodedModel:
    """Return a model that a process of its own could read, and that gave a score for each of some rows there."""
    name, rows = f"{path.name} of the trainer's command `{command}`", learning.matrix[choose_rows(len(learning.matrix))]
    width = learning.matrix.shape[1]
    try:
        with open_process(limits_of(commands.memory_bytes)) as process:
            process.name = name
            found = load_remote(process, kind, path.read_bytes(), width, allow_code=True)  # checked by whoever calls
            scores = found.prove(rows)
            onnx = None if kind == ONNX else found.convert(kind, learning.spread(), learning.form.category_positions())
    except DataError as error:
        if error.code in ("FC530", "FC531"):
            raise
        raise _unusable(name, width, error) from error
    except (UsageError, ValueError) as error:
        raise _unusable(name, width, error) from error
    if scores.shape != (len(rows),):
        raise DataError(f"{name} gives no score per row", code="FC513")
    return EncodedModel(
        format=kind,
        content=found.content,
        runtime=load_runtime(kind, found.content, allow_pickle=True),
        onnx=onnx,
    )


def _unusable(name: str, width: int, error: Exception) -> DataError:
    hint = f"it takes a float32 matrix of {width} columns, the inputs in their order"
    return DataError(f"{name} can't be used: {reason_of(error)}", code="FC513", hint=hint)
