"""A CronJob of Kubernetes, which runs a pipeline in one pod."""

from __future__ import annotations

from typing import Any, Final

from featurectl.language.definitions.pipelines import Pipeline
from featurectl.pipelines.render import kube
from featurectl.pipelines.render.base import PipelineRequest, RenderedFile, run_words
from featurectl.pipelines.render.comments import beware, comment, untold_text
from featurectl.pipelines.render.deadlines import deadline_s, largest
from featurectl.pipelines.render.other_crons import portable_schedule
from featurectl.pipelines.render.outputs import unwritable_outputs, volumes_comment
from featurectl.pipelines.render.pipelines import indexed_job
from featurectl.pipelines.render.yaml_text import said, yaml_text

_NEVER: Final = "0 0 1 1 *"  # of a CronJob that is suspended
_ENDING_S: Final = 60  # for the stages to end after SIGTERM


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the CronJob; of a pipeline without a schedule one that is suspended."""
    site, pipeline = request.site, request.pipeline
    name = kube.kube_name(site.project, pipeline.name, most=kube.CRON_JOB_NAME)
    by_hand = f"kubectl create job --from=cronjob/{name} {name}-$(date +%s)"
    warnings, is_indexed = unwritable_outputs(site, pipeline), indexed_job.is_for(pipeline)
    head = comment(
        f"By hand: {by_hand}",
        *kube.of_secret_comment(site),
        *kube.on_disk_comment(site),
        *volumes_comment(site, pipeline),
        *beware(warnings),
        *(_of_indexed_text(pipeline) if is_indexed else _in_parts_text(pipeline)),
    )
    if pipeline.schedule:
        when: dict[str, object] = {"schedule": portable_schedule(pipeline.schedule, "kubernetes")}
    else:
        when = {**said("Nobody runs it by itself: it has no schedule."), "suspend": True, "schedule": _NEVER}
    document = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": kube.metadata(site, name, "pipeline", pipeline.about.description),
        "spec": {
            **when,
            "timeZone": "Etc/UTC",
            **said("A run that goes on longer than its turn is not joined by the next one.", 1),
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "jobTemplate": {"spec": indexed_job.job(request, name) if is_indexed else _job(request, name)},
        },
    }
    return [RenderedFile(name=f"{name}.yaml", text=head + "\n" + yaml_text(document), warnings=warnings)]


def _of_indexed_text(pipeline: Pipeline) -> list[str]:
    return ["It needs Kubernetes 1.29 or later.", *untold_text(pipeline, "Kubernetes")]


def _in_parts_text(pipeline: Pipeline) -> list[str]:
    """Return that parts of a stage share the pod; nothing where no stage has any."""
    names = [stage.name for stage in pipeline.stages if stage.resources.replicas > 1]
    if not names:
        return []
    alone = "a pipeline of that stage alone has a pod for each, as has --to argo."
    return [f"The parts of {', '.join(names)} run side by side in the one pod, which has room for all of them: {alone}"]


def _job(request: PipelineRequest, name: str) -> dict[str, Any]:
    site, pipeline = request.site, request.pipeline
    seconds = deadline_s(pipeline)
    deadline: dict[str, object] = {}
    if seconds is not None:
        deadline = said("All stages with their timeouts and retries, one after the other.", 1) | {
            "activeDeadlineSeconds": seconds
        }
    return {
        **said("What can pass is tried again inside, by the retries of each stage."),
        "backoffLimit": 0,
        "podFailurePolicy": {"rules": [indexed_job.OF_EMPTIED_NODES]},
        **deadline,
        "template": {
            "metadata": {"labels": kube.metadata(site, name, "pipeline")["labels"]},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": _ENDING_S,
                **kube.pod_security(),
                "containers": [
                    {
                        "name": "pipeline",
                        "image": site.image,
                        "command": kube.kube_command(run_words(pipeline, site.environment)),
                        "workingDir": site.folder,
                        **kube.variables(site),
                        **kube.resources(largest(pipeline)),
                        "securityContext": kube.container_security(),
                        "volumeMounts": kube.volume_mounts(site),
                    }
                ],
                "volumes": kube.volumes(),
            },
        },
    }
