"""What a target is given to render, and what it gives back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.language.commands.read import split_words
from featurectl.language.definitions.pipelines import Deployment, Pipeline, PipelineStage
from featurectl.pipelines.render.requirements import Requirements

PROGRAM: Final = "featurectl"
NO_FAILURES: Final = (130, 143)  # exit codes of `pipeline run` that was stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable that the files name as `${NAME}`; `is_needed`: at some place without a default."""

    name: str
    is_needed: bool = True


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


RenderPipeline = Callable[[PipelineRequest], list[RenderedFile]]
RenderDeployments = Callable[[DeploymentsRequest], list[RenderedFile]]


class Verbatim(str):
    """A word that is a sign of the scheduler's, a variable or a tag, and written as it is; others mean themselves."""

    __slots__ = ()


def stage_words(stage: PipelineStage, environment: str, *more: str) -> list[str]:
    """Return the words of a stage's command line, with the environment, and more options of every command.

    >>> " ".join(stage_words(PipelineStage(name="sync", run="push --full"), "prod"))
    'featurectl push --full --env prod'
    """
    return _words(stage.run, environment, more)


def deployment_words(deployment: Deployment, environment: str, *more: str) -> list[str]:
    """Return the words of a deployment's command line, with the environment, and more options."""
    return _words(deployment.run, environment, more)


def run_words(pipeline: Pipeline, environment: str) -> list[str]:
    """Return the words of the command line that runs a whole pipeline when it is due.

    A run that is left out, as another one goes on, is no failure: nobody has to be woken.

    >>> " ".join(run_words(Pipeline(name="nightly", stages=()), "prod"))
    'featurectl pipeline run nightly --env prod --if-free'
    """
    return [PROGRAM, "pipeline", "run", pipeline.name, "--env", environment, "--if-free"]


def _words(run: str, environment: str, more: tuple[str, ...]) -> list[str]:
    words = [word.text for word in split_words(run)]
    at = words.index("--") if "--" in words else len(words)  # behind it nothing is an option
    return [PROGRAM, *words[:at], "--env", environment, *more, *words[at:]]


def shell_line(words: Sequence[str]) -> str:
    r"""Return words as a line of a shell: each that it would change is quoted.

    >>> shell_line(["score", "$CLOCK", Verbatim('"$CLOCK"')])
    'score \'$CLOCK\' "$CLOCK"'
    """
    return " ".join(word if isinstance(word, Verbatim) else shlex.quote(word) for word in words)
