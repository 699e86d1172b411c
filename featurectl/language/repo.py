"""What a repository's files mean, together with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.pipelines import Deployment, Pipeline
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.tests import FeatureTest, ModelTest
from featurectl.language.definitions.view import FeatureView
from featurectl.language.problems.codes import Problem
from featurectl.language.syntax.place import Place

ENGINES: Final = ("polars",)  # that this version runs, the first by default; `engines/all_engines.py` opens them


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where things are kept; texts may hold `${NAME}`, unexpanded. `now` is a fixed clock.

    `unsupported` are the parts of it that are valid and not run (FC402): `apply` refuses this environment.
    """

    name: str
    registry: str
    offline: str
    online: str
    streams: str = ""  # where topics are; "": it does not say
    engine: str = ENGINES[0]
    now: datetime | None = None
    prediction_sample: float | None = None  # the share of predictions that are logged; None: there is no log
    prediction_keep_us: int = 30 * 86_400_000_000  # how long the files of the log are kept
    prediction_max_bytes: int = 1 << 30  # how much they may take
    data_roots: tuple[str, ...] = ()  # folders outside of the repository that its sources may read
    unsupported: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """The objects of a repository by name, in the order of files and of lines in them.

    `problems` are sorted by place, `test_problems` those of them that are of feature tests; objects that could not be
    made are left out. `unsupported` are the parts of the chosen environment that are valid and not run (FC402): `apply`
    refuses a repository that has any. `places` says where things stand: (kind, name) -> the object's name; (kind, name,
    key) -> the key; (kind, name, list, item name) -> the item. `files` are the paths that were read, relative to the
    root.
    """

    project: str
    environments: Mapping[str, Environment]
    entities: Mapping[str, Entity] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    views: Mapping[str, FeatureView] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    tests: Mapping[str, FeatureTest | ModelTest] = field(default_factory=dict)
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    test_problems: frozenset[Problem] = frozenset()
    unsupported: tuple[Problem, ...] = ()
    places: Mapping[tuple[str, ...], Place] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make the repository invalid."""
        return tuple(p for p in self.problems if p.severity == "error")


def runs_of(repo: Repo) -> list[Pipeline | Deployment]:
    """Return what runs commands: pipelines, then deployments."""
    return [*repo.pipelines.values(), *repo.deployments.values()]
