"""What a target is given to render, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from featurectl.language.definitions.pipelines import Deployment, Pipeline

PROGRAM: Final = "featurectl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable that the files name as `${NAME}`; `is_needed`: at some place without a default."""

    name: str
    is_needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What pip installs for a repository: a file of it ("": there is none), and a package beside that ("": none)."""

    file: str = ""
    package: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a project is run, and what of it each target needs.

    `variables` are those that the environment, the sources and the notifiers name, in the order of their names.
    `on_disk` are the parts of the environment that lie on the disk of one machine: `online sqlite:///on.db`. `image`
    is the container image that has featurectl and the repository, `folder` the repository's folder on a host,
    `in_checkout` its folder in the Git repository around it ("": it is the top, or in none). `requirements` are what
    pip installs there.
    """

    project: str
    environment: str
    variables: tuple[Variable, ...] = ()
    on_disk: tuple[str, ...] = ()
    image: str = ""
    folder: str = ""
    in_checkout: str = ""
    requirements: Requirements = Requirements(package=PROGRAM)

    @property
    def variables_file(self) -> str:
        """The file of a host that holds the variables of the environment."""
        return f"/etc/featurectl/{self.project}-{self.environment}.env"

    def host_name(self, name: str) -> str:
        """Return the name of a file for a pipeline or deployment on a host, which may run several environments."""
        return f"{self.project}-{self.environment}-{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest:
    """A pipeline to be rendered; `command` is the command line that does it again."""

    site: Site
    pipeline: Pipeline
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentsRequest:
    """Deployments to be rendered, in the order of the files; `command` is the command line that does it again."""

    site: Site
    deployments: tuple[Deployment, ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """A file by its name in the folder of its target, and its text without a header.

    `warnings` are said to who renders it, too.
    """

    name: str
    text: str
    warnings: tuple[str, ...] = ()
