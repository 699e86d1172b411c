"""Repositories that are applied by processes of their own, which may meet, or be killed."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from featurectl.cli.main import main
from tests.warm import WarmProcess


def serve() -> None:
    """Run the command lines that are read, and write the exit code and the output of each."""
    for line in sys.stdin:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(json.loads(line))
        sys.stdout.write(json.dumps([code, said.getvalue()]) + "\n")


def write_project(root: Path, project: str, registry_url: str) -> Path:
    """Write a repository without objects and return its folder."""
    root.mkdir(parents=True)
    stores = f"offline: off, online: 'sqlite:///{root}/online.db'"
    (root / "featurectl.yaml").write_text(
        f"project: {project}\nenvironments:\n  dev: {{registry: '{registry_url}', {stores}}}\n"
    )
    return root


def write_entities(root: Path, names: Sequence[str], description: str = "") -> None:
    """Write the entities of a repository, in place of those that it has."""
    lines = (f"  - {{name: {name}, keys: {{key: string}}, description: '{description}'}}\n" for name in names)
    (root / "entities.yaml").write_text("entities:\n" + "".join(lines))


class Worker:
    """A process that runs command lines, one after the other, as they are given to it."""

    def __init__(self) -> None:
        self._process = WarmProcess(serve)

    def begin(self, *argv: str) -> None:
        """Begin to run a command line."""
        self._process.stdin.write(json.dumps(argv) + "\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Wait for the command line to end, and return its exit code and all that it said."""
        code, said = json.loads(self._process.line())
        return code, said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.end()
