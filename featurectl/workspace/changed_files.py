"""Errors of a repository that follow from a file which has other columns than when it was applied: one for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import FeaturectlError
from featurectl.language.load import load_repo
from featurectl.language.problems.codes import Problem
from featurectl.language.syntax.place import Place

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.language.repo import Repo
    from featurectl.language.resolve.source import SchemaReader
    from featurectl.registry.state import State

_TYPES: Final = frozenset({"FC301", "FC302", "FC305", "FC309", "FC310", "FC312", "FC314"})
_SHOWN: Final = 3  # of what follows
_MOST_COLUMNS: Final = 20
_MOST_FILES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangedColumn:
    """A column that has another type than when its source was applied; `now` None: it is gone."""

    source: Source
    name: str
    before: str
    now: str | None


def with_changed_files(repo: Repo, root: Path, read: SchemaReader, read_state: Callable[[], State]) -> Repo:
    """Return a repository with errors in which those that follow from a changed file are one (FC504) for each column.

    What follows is what is not wrong with the columns that were applied; only errors of types ask the registry.
    """
    if not any(problem.code in _TYPES for problem in repo.errors):
        return repo
    state = read_state()
    changed = [column for source in repo.sources.values() for column in _changed(source, state)]
    follow = _following(changed, repo, root, read) if changed else ()
    if not follow:
        return repo
    alone = len(changed) == 1
    of_each = [follow if alone else _following([column], repo, root, read) for column in changed[:_MOST_COLUMNS]]
    named = [_problem(column, some, repo, root) for column, some in zip(changed, of_each, strict=False) if some]
    if not named:  # each needs another one, too
        named = [_problem(changed[0], follow, repo, root)]
    kept = [problem for problem in repo.problems if problem not in follow]
    return replace(repo, problems=tuple(sorted([*named, *kept], key=lambda p: p.sort_key())))


def _following(columns: Sequence[_ChangedColumn], repo: Repo, root: Path, read: SchemaReader) -> tuple[Problem, ...]:
    """Return the errors of types that are none where some columns are as they were."""

    def as_applied(source: Source) -> Mapping[str, str] | None:
        found = read(source)
        before = {column.name: column.before for column in columns if column.source.name == source.name}
        return found if found is None else {**found, **before}

    others = set(load_repo(root, as_applied).errors)
    return tuple(problem for problem in repo.errors if problem.code in _TYPES and problem not in others)


def _registered_columns(source: Source, state: State) -> Mapping[str, str]:
    """Return the columns of a source as its files had them when it was applied; none where it declared them."""
    from featurectl.language.definitions.json_form import load_source

    registered = state.current("source", source.name)
    before = load_source(registered.definition) if registered else None
    return {} if before is None or before.columns_declared else before.columns or {}


def _changed(source: Source, state: State) -> Iterator[_ChangedColumn]:
    if source.columns_declared or source.columns is None:
        return
    for name, before in _registered_columns(source, state).items():
        now = source.columns.get(name)
        if now is None or (now != before and UNKNOWN not in (now, before)):
            yield _ChangedColumn(source=source, name=name, before=before, now=now)


def _problem(column: _ChangedColumn, follow: Sequence[Problem], repo: Repo, root: Path) -> Problem:
    source, file = column.source, _file_of(column, root)
    now = "is gone" if column.now is None else f"is {column.now}"
    was = "there" if column.before == UNKNOWN else column.before
    places = repo.places
    place = places.get(("source", source.name, "path")) or places.get(("source", source.name), Place(""))
    more = len(follow) - _SHOWN
    return Problem(
        code="FC504",
        message=f'{file} has changed: column "{column.name}" {now}, it was {was} when it was applied',
        place=place,
        notes=(
            "bring back the file as it was, or change what reads the column",
            *([f"{more} more follow"] * (more > 0)),
        ),
        related=tuple((problem.place, f"from it follows: {problem.message}") for problem in follow[:_SHOWN]),
    )


def _file_of(column: _ChangedColumn, root: Path) -> str:
    """Return the first file of a source in which a column is as it is now; its place where nobody can tell."""
    from featurectl.language.definitions.source import FILE_FORMATS
    from featurectl.sources.open import read_schema
    from featurectl.sources.paths import source_files

    source = column.source
    if source.format not in FILE_FORMATS or FILE_FORMATS[source.format].folder_pattern is None:  # a table
        return source.place
    try:
        files = source_files(source, root, source.path)
        for file in files[:_MOST_FILES] if len(files) > 1 else ():
            one = replace(source, path=str(file.relative_to(root) if file.is_relative_to(root) else file))
            if (read_schema(one, root) or {}).get(column.name) == column.now:
                return one.path
    except FeaturectlError:  # a variable that is not set here, say
        return source.path
    return source.path
