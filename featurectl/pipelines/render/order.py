"""What is asked for: objects of the repository's files, rendered for a target, and where to."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.language.repo import Repo
from featurectl.language.repository_files import RENDERED_FOLDER
from featurectl.pipelines.render.files import FileKind, Rendering, WantedFile, wanted_files, write_or_check
from featurectl.pipelines.render.request import PROGRAM, DeploymentsRequest, PipelineRequest, Requirements, Site
from featurectl.pipelines.render.site import SitePlaces, site_of
from featurectl.pipelines.render.targets import (
    Target,
    deployment_target,
    pipeline_target,
    render_deployment_files,
    render_pipeline_files,
)
from featurectl.workspace.open import environment_of, load_checked


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOrder:
    """What of a repository is rendered for which target; no `names`: all. With `is_check` nothing is written.

    `out` is where to, None: a folder below `deploy/`. It is a folder where one is there, or where `is_folder`.
    """

    root: Path
    env: str | None
    names: tuple[str, ...]
    target: str
    out: Path | None = None
    is_folder: bool = False
    is_check: bool = False
    places: SitePlaces = field(default_factory=SitePlaces)


def render_pipelines(order: RenderOrder) -> Rendering:
    """Render pipelines, each by itself.

    Raises:
        ProblemsError: a file of the repository has an error.
        UsageError: there is no such pipeline, target or environment, the target can't have a pipeline, or a file can't
            be written.
    """
    target = pipeline_target(order.target)
    repo = load_checked(order.root, "unread")
    site = _site(order, repo, target)
    left_out, wanted, warnings = dict[str, str](), list[WantedFile](), list[str]()
    for name in _chosen(order.names, repo.pipelines, "pipeline"):
        pipeline = repo.pipelines[name]
        if target.needs_schedule and not pipeline.schedule:
            left_out[name] = "it has no schedule"
            continue
        request = PipelineRequest(site=site, pipeline=pipeline, command=_command(order, site, "pipeline", (name,)))
        rendered = render_pipeline_files(target, request)
        wanted += wanted_files(request, rendered)
        warnings += [f"{order.target}, pipeline {name}: {text}" for file in rendered for text in file.warnings]
    if order.names and left_out:
        name, why = next(iter(left_out.items()))
        raise UsageError(f"{order.target} has nothing for the pipeline {name}: {why}")
    return replace(_rendering(order, wanted, site, left_out, "pipeline"), warnings=tuple(warnings))


def render_deployments(order: RenderOrder) -> Rendering:
    """Render deployments, all that are chosen for one set of files.

    Raises:
        ProblemsError: a file of the repository has an error.
        UsageError: there is no such deployment, target or environment, the target can't have a deployment, or a file
            can't be written.
    """
    target = deployment_target(order.target)
    repo = load_checked(order.root, "unread")
    site = _site(order, repo, target)
    names = _chosen(order.names, repo.deployments, "deployment")
    wanted, warnings = list[WantedFile](), list[str]()
    for group in [names] if target.is_one else [[name] for name in names]:
        chosen = tuple(repo.deployments[name] for name in group)
        said = order.names if target.is_one else (group[0],)
        request = DeploymentsRequest(site=site, deployments=chosen, command=_command(order, site, "deployment", said))
        rendered = render_deployment_files(target, request)
        wanted += wanted_files(request, rendered)
        warnings += [f"{order.target}: {text}" for file in rendered for text in file.warnings]
    return replace(_rendering(order, wanted, site, {}, "deployment"), warnings=tuple(warnings))


def _rendering(
    order: RenderOrder, wanted: list[WantedFile], site: Site, left_out: Mapping[str, str], kind: FileKind
) -> Rendering:
    """Write files, or compare them; where all of a kind are rendered into the folder of the target, no other is due."""
    whole = kind if order.out is None and not order.names else None
    return write_or_check(wanted, _out(order, site), is_check=order.is_check, left_out=left_out, whole=whole)


def _site(order: RenderOrder, repo: Repo, target: Target) -> Site:
    site = site_of(order.root, repo, environment_of(repo, order.env), order.places)
    return site if target.of_checkout else replace(site, in_checkout="", requirements=Requirements(package=PROGRAM))


def _chosen(names: tuple[str, ...], declared: Mapping[str, object], what: str) -> list[str]:
    """Return the names that are rendered, in the order of the files where none is given."""
    if not declared:
        raise UsageError(f"the files declare no {what}")
    for name in names:
        if name not in declared:
            suggestion = did_you_mean(name, declared)
            hint = f"{what}s: {', '.join(declared)}"
            raise UsageError(f"no {what} {name!r} in the files{f', {suggestion}' if suggestion else ''}", hint=hint)
    return list(dict.fromkeys(names)) or list(declared)


def _out(order: RenderOrder, site: Site) -> tuple[Path, bool]:
    """Return where files go to, and whether that is a folder."""
    if order.out is None:
        return order.root / RENDERED_FOLDER / site.environment / order.target, True
    return order.out, order.is_folder or order.out.is_dir()


def _command(order: RenderOrder, site: Site, group: str, names: tuple[str, ...]) -> str:
    """Return the command line that renders the same again, in the folder of the repository."""
    words = [PROGRAM, group, "render", *names, "--to", order.target, "--env", site.environment]
    if order.out is not None:
        place = Path(os.path.relpath(os.path.realpath(order.out), os.path.realpath(order.root))).as_posix()
        words += ["--out", place + "/" * _out(order, site)[1]]
    places = order.places
    words += ["--image", places.image] if places.image else []
    words += ["--folder", places.folder] if places.folder else []
    words += [word for name in places.variables for word in ("--variable", name)]
    return shlex.join(words)
