"""Find, check and open a repository as a workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from featurectl.core.errors import FeaturectlError, ProblemsError, UsageError
from featurectl.core.units import format_iso
from featurectl.language.problems.codes import Problem
from featurectl.language.project_file import PROJECT_FILE, load_project_file
from featurectl.language.repo import Environment, Repo
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.language.resolve.source import SchemaReader

Data = Literal["needed", "if there", "compared", "unread", "project file"]
_CLOCKS_DIFFER: Final = timedelta(seconds=60)  # between machines of one pipeline
_REGISTRY_WAIT_S: Final = 5.0  # for what only explains errors of the files


def find_root(folder: Path | None, *, above: bool = False) -> Path:
    """Return the root of the repository in a folder; without one, of this folder or the nearest parent that is one.

    With `above` the nearest parent counts for a given folder, too.

    Raises:
        UsageError: there is none.
    """
    start = (folder or Path.cwd()).absolute()
    alone = folder is not None and not above
    for place in [start] if alone else [start, *start.parents]:
        if _is_root(place):
            return place
    if alone and not os.path.isdir(start):  # noqa: PTH112 (Path's raises where a name is too long)
        raise UsageError(f"there is no folder {start}")
    where = f"{start}" if alone else f"{start} or a folder above it"
    raise UsageError(f"no featurectl.yaml in {where}", hint="featurectl init DIR writes a repository that works")


def _is_root(folder: Path) -> bool:
    try:
        return (folder / "featurectl.yaml").is_file()
    except OSError:  # no folder that this user may look into, or has so long a name
        return False


def load_checked(root: Path, data: Data = "needed") -> Repo:
    """Return the repository below `root`; `data` says what becomes of local data files without declared columns.

    "needed": their schemas are read, and one that can't be is an error. "if there": it is a problem of the repository
    that is returned, for a command that works on what is applied. "compared": so is every error of other files than
    featurectl.yaml, for a command that says no more of the files than that they differ from what is applied. "unread":
    nobody looks. "project file": no file but featurectl.yaml is read, for a command that works on what is applied. An
    error of a feature test ends a command where data is "needed" alone.

    Raises:
        ProblemsError: a file has an error that ends it; all problems of all files are in it.
    """
    return _checked(_load(root, data), root, data)


def _load(root: Path, data: Data) -> Repo:
    if data == "project file":
        return load_project_file(root)
    from featurectl.language.load import load_repo  # and all that checks objects

    return load_repo(root, None if data == "unread" else _schemas(root))


def _schemas(root: Path) -> SchemaReader:
    def read(source: Source) -> Mapping[str, str] | None:
        if source.columns_declared:
            return None
        from featurectl.sources.open import read_schema  # loads Polars

        return read_schema(source, root)

    return read


def _checked(repo: Repo, root: Path, data: Data) -> Repo:
    if any(_ends(problem, data, is_of_test=problem in repo.test_problems) for problem in repo.errors):
        raise ProblemsError(f"{root} has errors", repo.problems)
    return repo


def _ends(error: Problem, data: Data, *, is_of_test: bool) -> bool:
    if data == "compared":
        return error.place.path == PROJECT_FILE
    if is_of_test:
        return data == "needed"
    return not (data == "if there" and error.code.startswith("FC5"))


def environment_of(repo: Repo, name: str | None) -> Environment:
    """Return an environment of a valid repository by its name; without a name, the first.

    Raises:
        UsageError: there is none of that name.
    """
    names = list(repo.environments)
    chosen = names[0] if name is None else name
    if chosen not in repo.environments:
        raise UsageError(f"no environment {chosen!r} in featurectl.yaml", hint="environments: " + ", ".join(names))
    return repo.environments[chosen]


def open_workspace(
    root: Path, env: str | None, as_of: datetime | None, data: Data = "needed", *, clock: datetime | None = None
) -> Workspace:
    """Return the repository at `root` with an environment (the first by default), ready to open its stores.

    `data` is that of `load_checked`. `clock` is what the clock says; None: it is looked at.
    """
    repo = _load(root, data)
    if repo.errors and data in ("needed", "if there", "compared"):
        repo = _with_changed_files(repo, root, env)
    environment = environment_of(_checked(repo, root, data), env)
    given, clock = as_of or environment.now, _clock_reading(clock)
    unsupported = (*repo.unsupported, *environment.unsupported)
    return Workspace(
        root=root,
        repo=replace(repo, unsupported=unsupported),
        environment=environment,
        now=given or clock,
        clock=None if given else clock,
        as_of=as_of,
    )


def _clock_reading(given: datetime | None) -> datetime:
    now = datetime.now(UTC)
    if given is not None and given - now > _CLOCKS_DIFFER:
        raise UsageError(f"--clock {format_iso(given)} is after what this machine's clock says, {format_iso(now)}")
    return given or now


def _with_changed_files(repo: Repo, root: Path, env: str | None) -> Repo:
    """Return a repository with errors, those that follow from a changed file by that.

    It is as it was without a registry, or with one that does not answer soon.
    """
    from featurectl.workspace.changed_files import with_changed_files

    environment = repo.environments.get(env or next(iter(repo.environments), ""))
    if environment is None:
        return repo
    workspace = Workspace(
        root=root, repo=repo, environment=environment, now=datetime.now(UTC), registry_wait_s=_REGISTRY_WAIT_S
    )
    try:
        with workspace:
            return with_changed_files(repo, root, _schemas(root), workspace.state)
    except FeaturectlError:  # that the registry can't be read is not what is wrong with the files
        return repo
