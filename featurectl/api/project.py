"""A repository in Python, for notebooks and scripts: every command as a method, rows as frames.

`import featurectl` loads none of this before it is used.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from inspect import isfunction
from pathlib import Path
from typing import Final

from featurectl.api.alerts import ProjectAlerts
from featurectl.api.base import instant_of
from featurectl.api.canaries import ProjectCanaries
from featurectl.api.changing import ChangingMethods
from featurectl.api.data import DataMethods
from featurectl.api.frames import FrameKind, checked_kind
from featurectl.api.looking import LookingMethods
from featurectl.api.models import ProjectModels
from featurectl.api.rows import ScoredFrame, TrainingFrame
from featurectl.api.tidying import TidyingMethods
from featurectl.api.values import ValueMethods
from featurectl.api.watching import WatchingMethods
from featurectl.api.wording import PythonWords, SpeaksPython, speak_python, speaking_python
from featurectl.core.errors import ProblemsError
from featurectl.core.units import format_iso
from featurectl.workspace.open import find_root

# What hangs on a project beside its own methods, by how it is reached.
PARTS: Final = {"models.": ProjectModels, "models.canary.": ProjectCanaries, "alerts.": ProjectAlerts}

__all__ = ["Project", "ScoredFrame", "TrainingFrame", "open_project"]


def open_project(
    repo: str | Path | None = None,
    env: str | None = None,
    as_of: datetime | str | None = None,
    *,
    frames: FrameKind = "polars",
    progress: bool | None = None,
) -> Project:
    """Return the project of a repository's folder, of this folder or the nearest parent that is one by default.

    `env` names an environment, the first by default. `as_of` is the instant to take as now. `frames` is the kind of
    frame that methods return where they were given none. `progress`: shown in a notebook by default; True logs it
    elsewhere. Every call of the project reads the registry anew. Files with errors open, too, so that `validate` shows
    them; other methods that read them raise a ProblemsError.

    Raises:
        UsageError: there is no repository, no such environment, no such instant or kind of frame.
    """
    root = find_root(None if repo is None else Path(repo))
    project = Project(root=root, env=env, as_of=instant_of(as_of), frames=checked_kind(frames), progress=progress)
    with suppress(ProblemsError), project.workspace("project file"):  # what it is about is not said of broken files
        pass
    return project


@dataclass(frozen=True, kw_only=True, repr=False)
class Project(LookingMethods, ChangingMethods, DataMethods, ValueMethods, WatchingMethods, TidyingMethods):
    """A repository and one of its environments; `models` are the versions of its models, `alerts` its alerts."""

    def __repr__(self) -> str:
        env = "its first environment" if self.env is None else f"environment {self.env}"
        as_of = f" as of {format_iso(self.as_of)}" if self.as_of else ""
        return f'featurectl project {self.root}, {env}{as_of}: list(), search("..."), show("...") tell what there is'

    @property
    def models(self) -> ProjectModels:
        """The trained versions of its models."""
        return ProjectModels(self)

    @property
    def alerts(self) -> ProjectAlerts:
        """Its alerts, silences and notifiers."""
        return ProjectAlerts(self)


@cache
def _words() -> PythonWords:
    """Return how commands and options are said in Python: by the methods of a project and of its models."""
    parts = (Project, ""), *((kind, prefix) for prefix, kind in PARTS.items())
    methods = {f"{prefix}{name}": getattr(kind, name) for kind, prefix in parts for name in dir(kind)}
    return PythonWords({name: item for name, item in methods.items() if _is_method(name, item)}, open_project)


def _is_method(name: str, item: object) -> bool:
    return isfunction(item) and not name.rpartition(".")[2].startswith("_")


SpeaksPython._words = staticmethod(_words)  # noqa: SLF001  # ours, and no method of a project
for _kind in Project.__mro__:
    if _kind not in (object, SpeaksPython):
        speak_python(_kind, _words)
for _prefix, _part in PARTS.items():
    speak_python(_part, _words, _prefix)
open_project = speaking_python(open_project, _words)
