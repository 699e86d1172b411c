"""A DAG of Airflow: a task for each stage, which runs its command without a shell.

All tasks of a run are given one instant as the clock: the end of the run's data interval where it has one, so that a
backfill and a task that is cleared do what the run would have done when it was due; else when the run was asked for.
They are given the ID of the run, too, so that a canary is of the version that its own run has trained.
"""

from __future__ import annotations

from typing import Final

from featurectl.pipelines.render.base import PipelineRequest, RenderedFile
from featurectl.pipelines.render.python_stages import (
    PythonStage,
    documentation,
    job_name,
    python_stages,
    union_schedule,
)
from featurectl.pipelines.render.python_text import (
    call,
    docstring,
    identifier,
    listed,
    mapping,
    one_or_list,
    quoted,
    timedelta_text,
)

POOL: Final = "featurectl_cpu"
_TAKEN: Final = ("DAG", "os", "signal", "subprocess", "timedelta")  # names of the file that a stage could have, too
_CLOCK: Final = "when the run was due or, of a manual run, its logical date or when it was asked for"
_INDENT: Final = "    "

_HEAD: Final = """\
import os
import signal
import subprocess
from datetime import timedelta

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator{timetable}
from airflow.sdk.exceptions import AirflowException, AirflowFailException

REPOSITORY = {repository}
FEATURECTL = f"{{REPOSITORY}}/.venv/bin/featurectl"
ENVIRONMENT = {environment}
CAN_PASS = (69, 75)  # a store that is away, a lock that is held


class FeaturectlOperator(BaseOperator):
    \"\"\"Run a command of featurectl; only a failure that can pass by itself is tried again.\"\"\"

    def __init__(self, *, command, arguments=(), part=None, looks_now=False, variables=None, **options):
        super().__init__(**options)
        self.command = command
        self.arguments = arguments
        self.part = part
        self.looks_now = looks_now
        self.variables = variables or {{}}
        self.hook = None

    def execute(self, context):
        run = context["dag_run"]
        clock = [] if self.looks_now else ["--clock", (run.data_interval_end or run.run_after).isoformat()]
        part = ["--part", self.part] if self.part else []
        words = [FEATURECTL, *self.command.split(), "--env", ENVIRONMENT, *clock, *part, *self.arguments]
        self.hook = SubprocessHook()
        environ = {{**self.variables, **os.environ, "FEATURECTL_RUN_ID": f"{{run.dag_id}}/{{run.run_id}}"}}
        code = self.hook.run_command(words, env=environ, cwd=REPOSITORY).exit_code
        if code in CAN_PASS or code < 0:
            raise AirflowException(f"featurectl exited with {{code}}, which can pass")
        if code:
            raise AirflowFailException(f"featurectl exited with {{code}}: to try again would not help")

    def on_kill(self):
        process = self.hook and self.hook.sub_process
        if process and process.poll() is None:
            self.hook.send_sigterm()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


"""


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the file of a pipeline.

    Raises:
        UsageError: Airflow can't have its schedule.
    """
    site, stages, name = request.site, python_stages(request), job_name(request)
    head = _HEAD.format(
        timetable=", CronTriggerTimetable" if request.pipeline.schedule else "",
        repository=quoted(site.folder),
        environment=quoted(site.environment),
    )
    variables = {stage.name: identifier(stage.name, _TAKEN) for stage in stages}
    tasks = "\n".join(f"{_INDENT}{variables[stage.name]} = {_task(stage)}" for stage in stages)
    order = [
        f"{_INDENT}{one_or_list([variables[need] for need in stage.stage.needs])} >> {variables[stage.name]}\n"
        for stage in stages
        if stage.stage.needs
    ]
    text = f"{docstring(_documentation(request, stages))}\n{head}with {_dag(request, name)}:\n{tasks}\n"
    return [RenderedFile(name=f"{name}.py", text=text + ("\n" if order else "") + "".join(order))]


def _documentation(request: PipelineRequest, stages: list[PythonStage]) -> str:
    needs = ["Airflow 3.2 or later"]
    if any(stage.slots for stage in stages):
        needs.append(
            f"the pool `{POOL}`, which has a slot for each processor: "
            f"`airflow pools set {POOL} 16 'Processors for featurectl'`"
        )
    return documentation(request, _CLOCK, needs, "callbacks of Airflow")


def _dag(request: PipelineRequest, name: str) -> str:
    schedule = "None"
    if request.pipeline.schedule:
        schedule = f'CronTriggerTimetable({quoted(union_schedule(request, "Airflow"))}, timezone="UTC")'
    about, site = request.pipeline.about, request.site
    defaults = {
        "owner": quoted(about.owner) if about.owner else "",
        "retries": "0",
        "retry_delay": "timedelta(seconds=10)",
        "retry_exponential_backoff": "True",
        "max_retry_delay": "timedelta(minutes=5)",
    }
    tags = dict.fromkeys(("featurectl", site.project, site.environment, *about.tags))
    arguments = [
        f"dag_id={quoted(name)}",
        f"schedule={schedule}",
        "catchup=False",
        "max_active_runs=1",
        f"default_args={mapping({key: value for key, value in defaults.items() if value})}",
        f"tags={listed(map(quoted, tags))}",
        "doc_md=__doc__",
    ]
    return call("DAG", arguments)


def _task(stage: PythonStage) -> str:
    limits, count = stage.stage, stage.stage.resources.replicas
    options = [f"task_id={quoted(stage.name)}", f"command={quoted(stage.command)}"]
    if stage.arguments:
        options.append(f"arguments={listed(map(quoted, stage.arguments))}")
    if stage.looks_now:
        options.append("looks_now=True")
    if limits.timeout_us is not None:
        options.append(f"execution_timeout={timedelta_text(limits.timeout_us)}")
    if limits.retries:
        options.append(f"retries={limits.retries}")
    if stage.slots:
        options += [
            f'variables={{"POLARS_MAX_THREADS": "{stage.slots}"}}',
            f"pool={quoted(POOL)}",
            f"pool_slots={stage.slots}",
        ]
    if count == 1:
        return call("FeaturectlOperator", options, _INDENT)
    parts = f'part=[f"{{part}}/{count}" for part in range(1, {count + 1})]'
    return f"{call('FeaturectlOperator.partial', options, _INDENT)}.expand({parts})"
