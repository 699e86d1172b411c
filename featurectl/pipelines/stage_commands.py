"""The command lines of a stage in a run: what the file says, and what all stages of the run are given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Final

from featurectl.core.memory import LEAST
from featurectl.core.units import format_iso
from featurectl.language.commands.read import ReadCommand, read_command
from featurectl.language.definitions.pipelines import PipelineStage
from featurectl.workspace.run_id import RUN_ID

_AS_OF, _MEMORY, _PART = "--as-of", "--memory", "--part"
_PROGRAM: Final = (sys.executable, "-P", "-m", "featurectl")  # -P: no module of the repository stands in for ours
_WATCHING: Final = "monitor "
_THREADS: Final = "POLARS_MAX_THREADS"
_OF_VERSIONS: Final = ("train", "models import", "models canary start")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """What all stages of a run share: the repository, the environment, the run's start, and its `--as-of`."""

    root: Path
    environment: str
    clock: datetime
    as_of: datetime | None = None


StageCommands = Callable[[PipelineStage, RunArguments], list[list[str]]]


def stage_commands(stage: PipelineStage, shared: RunArguments) -> list[list[str]]:
    """Return the command lines of a stage: one, or one for each part of it."""
    read = read_command(stage.run)
    count, more = stage.resources.replicas, [*_shared_words(read, shared), *memory_words(read, stage)]
    parts = [[_PART, f"{part}/{count}"] for part in range(1, count + 1)] if count > 1 else [[]]
    at = read.words.index("--") if "--" in read.words else len(read.words)  # behind it nothing is an option
    return [[*_PROGRAM, *read.words[:at], *more, *part, *read.words[at:]] for part in parts]


def _shared_words(read: ReadCommand, shared: RunArguments) -> list[str]:
    words = ["-C", str(shared.root), "--env", shared.environment, "--color", "never"]
    takes_as_of = _AS_OF in read.form.options
    if shared.as_of is not None and takes_as_of:
        return words if read.has(_AS_OF) else [*words, _AS_OF, format_iso(shared.as_of)]
    return [*words, *clock_words(read, format_iso(shared.as_of or shared.clock))]


def clock_words(read: ReadCommand, clock: str) -> list[str]:
    """Return the start of a run as the option of a stage's command, but of one that looks at what is there now."""
    return [] if looks_now(read) else ["--clock", clock]


def looks_now(read: ReadCommand) -> bool:
    """Return whether a command watches: as of the run's start it would not see what has failed since."""
    return read.name.startswith(_WATCHING)


def memory_words(read: ReadCommand, stage: PipelineStage) -> list[str]:
    """Return the memory that a stage has as the option of its command, where that has one and does not say itself."""
    size = stage.resources.memory_bytes
    if size is None or size < LEAST or _MEMORY not in read.form.options or read.has(_MEMORY):
        return []
    return [_MEMORY, f"{size >> 20}MiB"]


def stage_environ(stage: PipelineStage, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a stage: as many threads as it has processors, unless that is said otherwise."""
    return {"PYTHONUNBUFFERED": "1", **thread_environ(stage), **environ}


def run_environ(stage: PipelineStage, run_id: str) -> dict[str, str]:
    """Return the variable of a stage that names its run, where its command makes versions of models or chooses one."""
    return {RUN_ID: run_id} if read_command(stage.run).name in _OF_VERSIONS else {}


def thread_environ(stage: PipelineStage) -> dict[str, str]:
    """Return the variable of a stage that names its processors."""
    cpu = stage.resources.cpu
    return {} if cpu is None else {_THREADS: f"{ceil(cpu)}"}
