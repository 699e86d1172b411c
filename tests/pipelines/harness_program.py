"""Runs a pipeline whose stages run the program of `commands.py`: a process of its own, so that it can be killed."""

from __future__ import annotations

import sys
from pathlib import Path

from featurectl.core.errors import UsageError
from featurectl.core.stop_request import StopRequest
from featurectl.pipelines.run_pipeline import run_pipeline
from featurectl.pipelines.run_plan import RunRequest
from featurectl.workspace.open import open_workspace
from tests.pipelines.commands import NotedReport, program_commands

NOTHING_BEGUN = 64


def main(root: Path, *, resume: bool) -> int:
    """Run the pipeline, or go on with it."""
    with open_workspace(root, None, None, "applied") as workspace:
        sys.stdout.write("works\n")
        sys.stdout.flush()
        request = RunRequest(name="p", resume=resume)
        try:
            ran = run_pipeline(workspace, request, NotedReport(), StopRequest(), program_commands(root))
        except UsageError:  # killed before it was on record, so that there is none to go on with
            return NOTHING_BEGUN
    return 0 if ran.state == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), resume=sys.argv[2] == "resume"))
