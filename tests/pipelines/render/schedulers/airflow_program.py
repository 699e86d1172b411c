"""Runs DAGs and asks for the times of schedules as Airflow's own Python does: `airflow_program.py ORDER ANSWER`.

The order is JSON: the DAG's file, its runs (each with a logical date or without, and with what is written into files
before it), and schedules. The answer is JSON, too.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable, timezone
from airflow.serialization.encoders import coerce_to_core_timetable


def run(dag, order):
    """Run a DAG and return how it ended, and each of its tasks with its tries."""
    for path, text in order["files"].items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    at = datetime.fromisoformat(order["at"])
    made = dag.test(logical_date=at) if order["is_logical"] else dag.test(logical_date=None, run_after=at)
    tasks = {f"{ti.task_id}:{ti.map_index}": [str(ti.state), ti.try_number] for ti in made.get_task_instances()}
    return {"state": str(made.state), "tasks": tasks}


def times(schedule, begin, count):
    """Return the times at which a schedule is due after an instant."""
    timetable = coerce_to_core_timetable(CronTriggerTimetable(schedule, timezone="UTC"))
    at, found = timezone.coerce_datetime(datetime.fromisoformat(begin)), []
    while len(found) < count:
        at = timetable._get_next(at)  # noqa: SLF001 (whose public forms ask for the time of the day)
        found.append(at.isoformat())
    return found


order = json.loads(Path(sys.argv[1]).read_text())
answer = {"times": [times(schedule, order["begin"], order["count"]) for schedule in order["schedules"]]}
if order["file"]:
    bag = DagBag(dag_folder=order["file"])
    assert not bag.import_errors, bag.import_errors
    (dag,) = bag.dags.values()
    answer["runs"] = [run(dag, each) for each in order["runs"]]
    answer["doc"] = dag.doc_md
Path(sys.argv[2]).write_text(json.dumps(answer))
