"""The targets: each is a file below `pipelines/` or `deployments/` here, whose `render` gives the text of its files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.pipelines.render.base import RenderDeployments, RenderPipeline

_HERE: Final = "featurectl.pipelines.render"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target by the module that renders for it.

    `needs_schedule`: it has nothing for a pipeline that nobody runs by itself. `is_one`: all deployments stand in its
    files together, otherwise each has files of its own. `of_checkout`: it works in a checkout, where it installs what
    is needed; no other is given what only this needs, so that its files do not change with it.
    """

    module: str
    needs_schedule: bool = False
    is_one: bool = False
    of_checkout: bool = False


PIPELINE_TARGETS: Final[Mapping[str, Target]] = {
    "cron": Target(module="cron", needs_schedule=True),
    "systemd": Target(module="systemd"),
    "github-actions": Target(module="github_actions", of_checkout=True),
    "kubernetes": Target(module="kubernetes"),
    "argo": Target(module="argo"),
    "airflow": Target(module="airflow"),
    "dagster": Target(module="dagster"),
}
DEPLOYMENT_TARGETS: Final[Mapping[str, Target]] = {
    "kubernetes": Target(module="kubernetes"),
    "systemd": Target(module="systemd"),
    "compose": Target(module="compose", is_one=True),
}


def pipeline_target(name: str) -> tuple[Target, RenderPipeline]:
    """Return a target of pipelines, and what renders for it.

    Raises:
        UsageError: there is none of that name.
    """
    target = _named(name, PIPELINE_TARGETS, "pipelines")
    return target, cast("RenderPipeline", import_module(f"{_HERE}.pipelines.{target.module}").render)


def deployment_target(name: str) -> tuple[Target, RenderDeployments]:
    """Return a target of deployments, and what renders for it.

    Raises:
        UsageError: there is none of that name.
    """
    target = _named(name, DEPLOYMENT_TARGETS, "deployments")
    return target, cast("RenderDeployments", import_module(f"{_HERE}.deployments.{target.module}").render)


def _named(name: str, targets: Mapping[str, Target], what: str) -> Target:
    if name not in targets:
        suggestion = did_you_mean(name, targets)
        hint = f"targets of {what}: {', '.join(targets)}"
        raise UsageError(f"no target {name!r} of {what}{f', {suggestion}' if suggestion else ''}", hint=hint)
    return targets[name]
