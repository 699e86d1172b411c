"""A Job of Kubernetes with a pod for each part of the one stage of a pipeline.

Its pods know no common instant: they share the ID of the Job, and the one that begins says what now is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from featurectl.language.commands.read import read_command
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.pipelines.render import kube
from featurectl.pipelines.render.base import PipelineRequest, Verbatim, shell_line, stage_words
from featurectl.pipelines.render.deadlines import seconds_of
from featurectl.pipelines.render.yaml_text import flow, flow_list, said
from featurectl.pipelines.stage_commands import memory_words, thread_environ

_PASSES: Final = (69, 75, 137, 143)  # exit codes: a store is away, something is locked, the pod was ended
_RUN: Final = "RUN_ID"  # a variable
_JOB_LABEL: Final = "metadata.labels['batch.kubernetes.io/controller-uid']"
_NUMBER: Final = "$((JOB_COMPLETION_INDEX + 1))"
OF_EMPTIED_NODES: Final[Mapping[str, Any]] = {
    **said("A node was emptied: that counts as no attempt."),
    "action": "Ignore",
    "onPodConditions": [flow(type="DisruptionTarget", status="True")],
}


def is_for(pipeline: Pipeline) -> bool:
    """Return whether a pipeline is one stage in parts."""
    return [stage.resources.replicas > 1 for stage in pipeline.stages] == [True]


def job(request: PipelineRequest, name: str) -> dict[str, Any]:
    """Return the specification of the Job; of all pods the last one to end writes the output."""
    site, (stage,) = request.site, request.pipeline.stages
    count = stage.resources.replicas
    labels = kube.metadata(site, name, "pipeline")["labels"]
    deadline = {} if stage.timeout_us is None else {"activeDeadlineSeconds": seconds_of(stage.timeout_us)}
    return {
        **said("A pod for each part. What can pass is tried again, a part by itself."),
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        "backoffLimitPerIndex": stage.retries,
        "podFailurePolicy": {
            "rules": [
                OF_EMPTIED_NODES,
                {
                    **said("To try again would not help."),
                    "action": "FailIndex",
                    "onExitCodes": flow(operator="NotIn", values=flow_list(*_PASSES)),
                },
            ]
        },
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                **deadline,
                **kube.pod_security(),
                "containers": [_container(request, stage)],
                "volumes": kube.volumes(),
            },
        },
    }


def _container(request: PipelineRequest, stage: PipelineStage) -> dict[str, Any]:
    site = request.site
    own = {"name": _RUN, "valueFrom": {"fieldRef": flow(fieldPath=_JOB_LABEL)}}
    environ: Any = kube.variables(site, plain=thread_environ(stage)).get("env", [])
    return {
        "name": "part",
        "image": site.image,
        **said("Kubernetes counts parts from 0. The ID of the Job keeps parts of another run away."),
        "command": kube.kube_command(["sh", "-c", _line(stage, site.environment)]),
        "workingDir": site.folder,
        "env": [own, *environ],
        **kube.resources(stage.resources),
        "securityContext": kube.container_security(),
        "volumeMounts": kube.volume_mounts(site),
    }


def _line(stage: PipelineStage, environment: str) -> str:
    """Return what a shell runs, which alone can count from 1."""
    part, run = Verbatim(f'"{_NUMBER}/{stage.resources.replicas}"'), Verbatim(f'"${_RUN}"')
    more = ["--part", part, "--run-id", run, *memory_words(read_command(stage.run), stage)]
    return f"exec {shell_line(stage_words(stage, environment, *more))}"
