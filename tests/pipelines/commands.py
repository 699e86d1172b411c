"""Stages that run small programs in place of commands of featurectl, and say what became of them in files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from featurectl.language.definitions.pipelines import PipelineStage
from featurectl.offline.pipeline_records import StageRecord
from featurectl.pipelines.stage_commands import RunArguments

# Notes that it began, does what a file says, and notes that it ended well.
PROGRAM = """
import os, signal, subprocess, sys, time
from pathlib import Path
name, root = sys.argv[1], Path(sys.argv[2])
with (root / "begun").open("a") as file:
    file.write(f"{name} {os.getpid()}\\n")
act = (root / f"{name}.do").read_text().split() if (root / f"{name}.do").exists() else []
print(f"{name} works", flush=True)
for word in act:
    verb, _, value = word.partition(":")
    if verb == "sleep":
        time.sleep(float(value))
    elif verb == "last":
        signal.signal(signal.SIGTERM, lambda *_, said=value: (print(said, flush=True), os._exit(130)))
    elif verb == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif verb == "child":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "left-child"])
    elif verb == "once" and not (root / f"{name}.seen").exists():
        (root / f"{name}.seen").touch()
        sys.exit(int(value))
    elif verb == "exit":
        print("what went wrong", file=sys.stderr)
        sys.exit(int(value))
with (root / "done").open("a") as file:
    file.write(f"{name}\\n")
"""


def program_commands(root: Path) -> Callable[[PipelineStage, RunArguments], list[list[str]]]:
    """Return what stands in for the command lines of stages: the program, with a stage's name."""
    (root / "program.py").write_text(PROGRAM)

    def commands(stage: PipelineStage, _: RunArguments) -> list[list[str]]:
        command = [sys.executable, "-S", str(root / "program.py"), stage.name, str(root)]
        return [command] * stage.resources.replicas

    return commands


def names(path: Path) -> list[str]:
    """Return the stages that are noted in a file, in order."""
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


class NotedReport:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.lines: list[str] = []
        self.notes: list[str] = []

    def changed(self, stage: StageRecord, text: str) -> None:
        """Keep what is said of a stage."""
        self.said.append(f"{stage.name}: {text}")

    def wrote(self, stage: str, line: str) -> None:
        """Keep a line of a stage."""
        self.lines.append(f"{stage} | {line}")

    def look(self, stages: Mapping[str, StageRecord]) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Keep a note."""
        self.notes.append(text)
