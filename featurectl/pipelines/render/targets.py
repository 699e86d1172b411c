"""The targets: each is a template or two below `templates/`, which one context fills in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.core.units import counted
from featurectl.core.version import __version__
from featurectl.language.pipeline_words import memory_text
from featurectl.pipelines.render import dialects, github, schedules
from featurectl.pipelines.render.context import PipelineContext, kube_resources, pipeline_context
from featurectl.pipelines.render.outputs import service_folders
from featurectl.pipelines.render.request import DeploymentsRequest, PipelineRequest, RenderedFile, Site
from featurectl.pipelines.render.services import LongRun, long_run

if TYPE_CHECKING:
    from jinja2 import Environment

_CRON_JOB_NAME: Final = 52  # characters: Kubernetes puts eleven behind it


def _kube_file(site: Site, name: str) -> str:
    return dialects.kube_name(f"{site.project}-{name}", _CRON_JOB_NAME)


def _deployment_file(site: Site, name: str) -> str:
    return dialects.kube_name(f"{site.project}-{name}")


def _python_file(site: Site, name: str) -> str:
    """Return the name of a pipeline where those of other projects and environments are, too."""
    return dialects.identifier(f"{site.project}_{site.environment}_{name}")


def _of_pod(context: PipelineContext) -> tuple[str, ...]:
    found = [output.shown for output in context.outputs if not output.is_on_volume]
    if not found:
        return ()
    named = "name a path on a volume that you add to the pod or, of scores, a table of a database or a topic"
    return (f"the file system of a pod is read-only, and stages write there: {', '.join(found)}; {named}",)


def _of_service(context: PipelineContext) -> tuple[str, ...]:
    found = [output.shown for output in context.outputs if output.folder == "/"]
    if not found:
        return ()
    return (f"a service may not write into the folder /, and stages do: {', '.join(found)}; name a folder below it",)


def _none(_: object) -> tuple[str, ...]:
    return ()


def _in_pods(runs: tuple[LongRun, ...]) -> tuple[str, ...]:
    return tuple(text for run in runs for text in run.unreachable("the pod, its probes included"))


def _in_containers(runs: tuple[LongRun, ...]) -> tuple[str, ...]:
    shared_ports = tuple(
        f"{one.deployment.name} and {other.deployment.name} take port {min(shared)} of the host: give one a --port"
        for one, other in combinations(runs, 2)
        if (shared := {*one.host_ports} & {*other.host_ports})
    )
    return (*(text for run in runs for text in run.unreachable("its container")), *shared_ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target by its templates, each with the ending of the files that it makes; `name` gives the rest of the name.

    `needs_schedule`: it has nothing for a pipeline that nobody runs by itself. `is_one`: all deployments stand in its
    files together, otherwise each has files of its own. `of_checkout`: it works in a checkout, where it installs what
    is needed; no other is given what only this needs, so that its files do not change with it. `pipeline_warnings` and
    `deployment_warnings` are what whoever renders it has to beware of.
    """

    templates: Mapping[str, str]
    name: Callable[[Site, str], str]
    needs_schedule: bool = False
    is_one: bool = False
    of_checkout: bool = False
    pipeline_warnings: Callable[[PipelineContext], tuple[str, ...]] = _none
    deployment_warnings: Callable[[tuple[LongRun, ...]], tuple[str, ...]] = _none


PIPELINE_TARGETS: Final[Mapping[str, Target]] = {
    "cron": Target(templates={"pipelines/cron.j2": ""}, name=Site.host_name, needs_schedule=True),
    "systemd": Target(
        templates={"pipelines/systemd_service.j2": ".service", "pipelines/systemd_timer.j2": ".timer"},
        name=Site.host_name,
        pipeline_warnings=_of_service,
    ),
    "github-actions": Target(
        templates={"pipelines/github_actions.j2": ".yaml"},
        name=lambda _, name: name,
        of_checkout=True,
        pipeline_warnings=github.checked_warnings,
    ),
    "kubernetes": Target(templates={"pipelines/kubernetes.j2": ".yaml"}, name=_kube_file, pipeline_warnings=_of_pod),
    "argo": Target(templates={"pipelines/argo.j2": ".yaml"}, name=_kube_file, pipeline_warnings=_of_pod),
    "airflow": Target(templates={"pipelines/airflow.j2": ".py"}, name=_python_file),
    "dagster": Target(templates={"pipelines/dagster.j2": ".py"}, name=_python_file),
}
DEPLOYMENT_TARGETS: Final[Mapping[str, Target]] = {
    "kubernetes": Target(
        templates={"deployments/kubernetes.j2": ".yaml"}, name=_deployment_file, deployment_warnings=_in_pods
    ),
    "systemd": Target(templates={"deployments/systemd.j2": ".service"}, name=Site.host_name),
    "compose": Target(
        templates={"deployments/compose.j2": ".yaml"},
        name=lambda _site, _name: "compose",
        is_one=True,
        deployment_warnings=_in_containers,
    ),
}


def pipeline_target(name: str) -> Target:
    """Return a target of pipelines.

    Raises:
        UsageError: there is none of that name.
    """
    return _named(name, PIPELINE_TARGETS, "pipelines")


def deployment_target(name: str) -> Target:
    """Return a target of deployments.

    Raises:
        UsageError: there is none of that name.
    """
    return _named(name, DEPLOYMENT_TARGETS, "deployments")


def _named(name: str, targets: Mapping[str, Target], what: str) -> Target:
    if name not in targets:
        suggestion = did_you_mean(name, targets)
        hint = f"targets of {what}: {', '.join(targets)}"
        raise UsageError(f"no target {name!r} of {what}{f', {suggestion}' if suggestion else ''}", hint=hint)
    return targets[name]


def render_pipeline_files(target: Target, request: PipelineRequest) -> list[RenderedFile]:
    """Return the files of a pipeline.

    Raises:
        UsageError: the target can't have the pipeline.
    """
    context = pipeline_context(request)
    warnings, name = target.pipeline_warnings(context), target.name(request.site, request.pipeline.name)
    known = {"context": context, "site": request.site, "pipeline": request.pipeline, "name": name, "warnings": warnings}
    files = [(name + ending, _filled(template, known)) for template, ending in target.templates.items()]
    return [
        RenderedFile(name=file, text=text, warnings=warnings if at == 0 else ())
        for at, (file, text) in enumerate(files)
        if text  # a template that is empty has no file: a timer without a schedule
    ]


def render_deployment_files(target: Target, request: DeploymentsRequest) -> list[RenderedFile]:
    """Return the files of deployments, one for each, or one for all of them."""
    runs, site = tuple(map(long_run, request.deployments)), request.site
    files = []
    for group in [runs] if target.is_one else [(run,) for run in runs]:
        warnings, name = target.deployment_warnings(group), target.name(site, group[0].deployment.name)
        known = {"runs": group, "run": group[0], "site": site, "name": name, "warnings": warnings}
        for template, ending in target.templates.items():
            files.append(RenderedFile(name=name + ending, text=_filled(template, known), warnings=warnings))
    return files


def _filled(template: str, known: Mapping[str, object]) -> str:
    return environment().get_template(template).render(known)


@cache
def environment() -> Environment:
    """Return what fills templates in: a name that is not known is an error, and no value is read as a template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(  # noqa: S701 (no template is HTML: each value goes through the filter of its dialect)
        loader=PackageLoader("featurectl.pipelines.render"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "argo": dialects.argo,
        "below": dialects.below,
        "calendar": schedules.calendar_lines,
        "comment": dialects.comment,
        "counted": counted,
        "docstring": dialects.docstring,
        "dollars": dialects.dollars,
        "filled": dialects.filled,
        "github_shell": dialects.github_shell,
        "kube_name": dialects.kube_name,
        "kube_resources": kube_resources,
        "memory": memory_text,
        "portable": schedules.portable_schedule,
        "python": dialects.python,
        "shell": dialects.shell,
        "systemd": dialects.systemd,
        "systemd_paths": dialects.systemd_paths,
        "timedelta": dialects.timedelta,
        "yaml": dialects.yaml,
    }
    made.globals |= {
        "cron_field": schedules.cron_field,
        "due_fields": schedules.due_fields,
        "due_pattern": schedules.due_pattern,
        "first_job": github.first_job,
        "identifier": dialects.identifier,
        "most_minutes": github.most_minutes,
        "service_folders": service_folders,
        "started_minutes": schedules.started_minutes,
        "version": __version__,
        "waits_s": github.waits_s,
    }
    return made
