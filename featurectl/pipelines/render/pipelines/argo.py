"""A CronWorkflow of Argo: a pod for each stage, in the order of their needs."""

from __future__ import annotations

from typing import Any, Final

from featurectl.language.commands.read import read_command
from featurectl.language.definitions.pipelines import PipelineStage
from featurectl.pipelines.render import kube
from featurectl.pipelines.render.base import PipelineRequest, RenderedFile, Site, Verbatim, stage_words
from featurectl.pipelines.render.comments import beware, comment, untold_text
from featurectl.pipelines.render.deadlines import seconds_of
from featurectl.pipelines.render.other_crons import portable_schedule
from featurectl.pipelines.render.outputs import unwritable_outputs, volumes_comment
from featurectl.pipelines.render.yaml_text import flow, flow_list, said, yaml_text
from featurectl.pipelines.stage_commands import clock_words, memory_words, run_environ, thread_environ

_KEPT_S: Final = 7 * 24 * 3600
_RUN_ID: Final = "{{workflow.uid}}"
_CLOCK: Final = Verbatim("{{workflow.creationTimestamp.RFC3339}}")
_BRACE: Final = "OPEN_BRACE"  # a variable of Kubernetes: two braces are a tag to Argo, which has no escape
_PASSES: Final = (  # -1: no code is known, as of a pod that was evicted
    'lastRetry.status == "Error" or asInt(lastRetry.exitCode) in [-1, 69, 75, 137, 143]'
    ' or lastRetry.message contains "specified deadline"'
)
_WAIT: Final = "30s"
_PART: Final = "part"  # a parameter of what is run for each part of a stage


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the CronWorkflow; of a pipeline without a schedule a WorkflowTemplate, which somebody submits."""
    site, pipeline = request.site, request.pipeline
    name = kube.kube_name(site.project, pipeline.name, most=kube.CRON_JOB_NAME)
    kind = "CronWorkflow" if pipeline.schedule else "WorkflowTemplate"
    by_hand = f"argo submit --from {'cronwf' if pipeline.schedule else 'workflowtemplate'}/{name}"
    warnings = unwritable_outputs(site, pipeline)
    head = comment(
        f"By hand: {by_hand}",
        "Pods run as the service account `default` of the namespace; Argo needs that it may `create` and `patch` "
        "workflowtaskresults (argoproj.io).",
        *kube.of_secret_comment(site),
        *kube.on_disk_comment(site),
        *volumes_comment(site, pipeline),
        *beware(warnings),
        *untold_text(pipeline, "Argo"),
        f"All stages share the instant at which the workflow was made, as their clock: --clock {_CLOCK}; what watches "
        "looks when it runs.",
    )
    workflow = _workflow(request, name)
    spec: dict[str, Any] = workflow
    if pipeline.schedule:
        spec = {
            "schedules": [portable_schedule(pipeline.schedule, "argo")],
            "timezone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "workflowSpec": workflow,
        }
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": kube.metadata(site, name, "pipeline", pipeline.about.description),
        "spec": spec,
    }
    return [RenderedFile(name=f"{name}.yaml", text=head + "\n" + yaml_text(document), warnings=warnings)]


def _workflow(request: PipelineRequest, name: str) -> dict[str, Any]:
    return {
        "entrypoint": "stages",
        **said("One run at a time, by hand or due: the next one waits. A workflow stays for a week.", 2),
        "synchronization": {"mutexes": [flow(name=name)]},
        "ttlStrategy": flow(secondsAfterCompletion=_KEPT_S),
        "securityContext": kube.pod_security()["securityContext"],
        "volumes": kube.volumes(),
        "templates": [
            {
                "name": "stages",
                "dag": {
                    **said("After a failure the stages that do not need it go on."),
                    "failFast": False,
                    "tasks": [_task(stage) for stage in request.pipeline.stages],
                },
            },
            *(_template(request.site, stage) for stage in request.pipeline.stages),
        ],
    }


def _task(stage: PipelineStage) -> dict[str, Any]:
    name = kube.kube_name(stage.name)
    needs = {"dependencies": flow_list(*map(kube.kube_name, stage.needs))} if stage.needs else {}
    count, parts = stage.resources.replicas, {}
    if count > 1:
        part = flow(name=_PART, value=f"{{{{item}}}}/{count}")
        parts = {
            "arguments": {"parameters": [part]},
            "withSequence": flow(start="1", end=f"{count}"),
        }
    return {"name": name, "template": _template_name(stage), **needs, **parts}


def _template_name(stage: PipelineStage) -> str:
    return f"run-{kube.kube_name(stage.name, most=59)}"


def _template(site: Site, stage: PipelineStage) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if stage.timeout_us is not None:
        limits["activeDeadlineSeconds"] = seconds_of(stage.timeout_us)
    if stage.retries:
        limits |= said(
            "Failures that can pass: a store is away, something is locked, the pod was lost or ended, it took too long."
        )
        limits["retryStrategy"] = {
            "limit": stage.retries,
            "retryPolicy": "Always",
            "expression": _PASSES,
            "backoff": flow(duration=_WAIT, factor=2),
        }
    words = [_word(word) for word in stage_words(stage, site.environment, *_options(stage))]
    brace = {_BRACE: "{"} if any(f"$({_BRACE})" in word.replace("$$", "") for word in words) else {}
    return {
        "name": _template_name(stage),
        **({"inputs": {"parameters": [flow(name=_PART)]}} if stage.resources.replicas > 1 else {}),
        **limits,
        "container": {
            "image": site.image,
            "command": flow_list(*words),
            "workingDir": site.folder,
            **kube.variables(site, plain={**run_environ(stage, _RUN_ID), **thread_environ(stage), **brace}),
            **kube.resources(stage.resources),
            "securityContext": kube.container_security(),
            "volumeMounts": kube.volume_mounts(site),
        },
    }


def _options(stage: PipelineStage) -> list[str]:
    parts = ["--part", Verbatim(f"{{{{inputs.parameters.{_PART}}}}}")] if stage.resources.replicas > 1 else []
    read = read_command(stage.run)
    return [*clock_words(read, _CLOCK), *parts, *memory_words(read, stage)]


def _word(word: str) -> str:
    """Return a word of a command line without two braces, but for a tag of ours: Kubernetes puts the second one there.

    >>> _word("a{{b}}$"), _word(_CLOCK)
    ('a{$(OPEN_BRACE)b}}$$', '{{workflow.creationTimestamp.RFC3339}}')
    """
    return str(word) if isinstance(word, Verbatim) else kube.kube_word(word).replace("{{", f"{{$({_BRACE})")
