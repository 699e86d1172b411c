"""Runs a pipeline whose stages run the program of `commands.py`: a process of its own, so that it can be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from featurectl.core.errors import UsageError
from featurectl.core.stop_request import StopRequest
from featurectl.offline.pipeline_records import PipelineRecord, PipelineRecords
from featurectl.pipelines.run_pipeline import run_pipeline
from featurectl.pipelines.run_plan import RunRequest
from featurectl.workspace.open import open_workspace
from tests.pipelines.commands import NotedReport, program_commands

NOTHING_BEGUN = 64


_SLOW_S = 0.3  # of a store


_write = PipelineRecords.write


def _slowly(records: PipelineRecords, record: PipelineRecord) -> None:
    time.sleep(_SLOW_S)
    _write(records, record)


def main(root: Path, name: str, *, resume: bool) -> int:
    """Run a pipeline, or go on with it."""
    with open_workspace(root, None, None, "unread") as workspace:
        sys.stdout.write("works\n")
        sys.stdout.flush()
        request = RunRequest(name=name, resume=resume)
        try:
            ran = run_pipeline(workspace, request, NotedReport(), StopRequest(), program_commands(root))
        except UsageError:  # killed before it was on record, so that there is none to go on with
            return NOTHING_BEGUN
    return 0 if ran.state == "succeeded" else 1


if __name__ == "__main__":
    if sys.argv[4:] == ["slow"]:
        PipelineRecords.write = _slowly  # type: ignore[method-assign, assignment]
    sys.exit(main(Path(sys.argv[1]), sys.argv[3], resume=sys.argv[2] == "resume"))
