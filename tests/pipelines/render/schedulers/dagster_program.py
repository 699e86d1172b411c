"""Runs jobs and asks for the times of schedules as Dagster's own Python does: `dagster_program.py ORDER ANSWER`.

The order is JSON: the job's file, its runs (each with when it was due, or with none, and with what is written into
files before it; `is_again` does the run before from its failure), and schedules. The answer is JSON, too.
"""

import json
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.storage.tags import SCHEDULED_EXECUTION_TIME_TAG
from dagster._utils.schedules import schedule_execution_time_iterator

SEEN = ("STEP_SUCCESS", "STEP_FAILURE", "STEP_UP_FOR_RETRY")


def run(instance, file, order, before):
    """Run a job and return its id, whether it succeeded, what became of its ops, and when it was asked for."""
    for path, text in order["files"].items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    job = ReconstructableJob.for_file(file, Path(file).stem)
    tags = {SCHEDULED_EXECUTION_TIME_TAG: order["at"]} if order["at"] else {}
    again = dg.ReexecutionOptions.from_failure(before["id"], instance) if order["is_again"] else None
    with dg.execute_job(job, instance, tags=tags, reexecution_options=again) as result:
        steps = [[event.event_type_value, event.step_key] for event in result.all_events]
        asked = instance.get_run_record_by_id(result.run_id).create_timestamp.isoformat()
        return {
            "id": result.run_id,
            "is_success": result.success,
            "steps": [step for step in steps if step[0] in SEEN],
            "asked": asked,
        }


def times(schedule, begin, count):
    """Return the times at which a schedule is due after an instant."""
    after = datetime.fromisoformat(begin).timestamp() + 1
    return [at.isoformat() for at in islice(schedule_execution_time_iterator(after, schedule, "UTC", True), count)]


if __name__ == "__main__":  # else a process of a step begins it all again
    order = json.loads(Path(sys.argv[1]).read_text())
    answer = {"runs": [], "times": [times(schedule, order["begin"], order["count"]) for schedule in order["schedules"]]}
    with dg.DagsterInstance.get() as instance:
        before = None
        for each in order["runs"]:
            before = run(instance, order["file"], each, before)
            answer["runs"].append(before)
    Path(sys.argv[2]).write_text(json.dumps(answer))
