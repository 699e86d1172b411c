"""The codes of commands that pipelines and deployments run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.language.problems.codes_models import Code

RUN: Final[Mapping[str, Code]] = {
    "FC319": Code(
        "a command that featurectl does not have",
        "`run` of a stage or a deployment is a command line of featurectl without the name of the program: its options "
        "and arguments are checked as on the command line. No shell reads it: there are no pipes, variables or `&&`; "
        "what a text of several words is stands in quotes.",
    ),
    "FC320": Code(
        "a command that can't be run here",
        "A stage runs a command that ends by itself and asks nobody; what runs until it is stopped (`serve`, `stream "
        "run`, `monitor run`, `monitor export`) is for a deployment. `stream run --once` and `monitor export "
        "--textfile` end, and are for stages. `--repo` and `--env` are those that the pipeline is run with. `replicas` "
        "of a stage cut a `score` into parts.",
    ),
}
