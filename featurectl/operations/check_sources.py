"""Sources are asked for their columns, before anything is read of them: wrong ones are found before `materialize`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurectl.core.dtypes import decimal_parts
from featurectl.core.errors import FeaturectlError
from featurectl.core.progress import Progress
from featurectl.core.units import format_bytes, plural
from featurectl.language.typing.registered import type_source, type_view
from featurectl.operations.part_failure import Failure

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.language.repo import Repo
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSources:
    """Which sources were asked, by name, and what is wrong with some of them.

    `failures` are of sources, then of views that do not fit theirs. `billed_bytes` are those that a database bills for
    a source that is read from the beginning, where one does. `narrower` are decimals that are declared with fewer
    digits than the source has, before or behind the point: what is there and what is declared, by source and column.
    """

    names: Sequence[str]
    failures: Sequence[Failure]
    billed_bytes: Mapping[str, int]
    narrower: Mapping[str, Mapping[str, tuple[str, str]]]


def check_sources(workspace: Workspace, progress: Progress) -> CheckedSources:
    """Ask each source of the files for its columns: whether all are there, in types that can become those declared.

    Where the files could not tell what a source has, its views are held against what it says now.

    Nothing is written and no rows are read, so that values are not looked at. A source that fails holds up no other.
    """
    failures, misfits, billed = list[Failure](), list[Failure](), dict[str, int]()
    narrower = dict[str, Mapping[str, tuple[str, str]]]()
    sources = sorted(workspace.repo.sources.values(), key=lambda source: source.name)
    for number, source in enumerate(sources, 1):
        progress.start(f"source {source.name} ({number} of {len(sources)})")
        try:
            reader = workspace.source(source)
            size = reader.check_columns()
            told = reader.told_columns() if source.columns is None else None
            found = _narrower(workspace, source)
        except FeaturectlError as error:
            failures.append(Failure(part=f"source {source.name}", error=error))
            continue
        for column, (has, declared) in found.items():
            narrower.setdefault(source.name, found)
            progress.done(
                f"source {source.name}: column {column!r} is {has}, and declared {declared}: materialize ends with an "
                "error where a value has more digits"
            )
        misfits += [] if told is None else _misfits(workspace.repo, source, told)
        if size is not None:
            billed[source.name] = size
            progress.done(f"source {source.name}: {format_bytes(size)} are billed where it is read from the beginning")
    progress.done(f"{len(sources)} {plural(len(sources), 'source')} asked for columns, {len(failures)} failed")
    names = [source.name for source in sources]
    return CheckedSources(names=names, failures=[*failures, *misfits], billed_bytes=billed, narrower=narrower)


def _narrower(workspace: Workspace, source: Source) -> Mapping[str, tuple[str, str]]:
    """Return the decimals that a source has with more digits than are declared, where it tells types without rows."""
    wanted = {name: dtype for name, dtype in (source.columns or {}).items() if decimal_parts(dtype)}
    if not wanted or not source.columns_declared:
        return {}
    undeclared = replace(source, columns=None, columns_declared=False)
    has = workspace.source(undeclared).told_columns() or {}
    return {name: (has[name], dtype) for name, dtype in wanted.items() if _has_more_digits(has.get(name, ""), dtype)}


def _has_more_digits(has: str, declared: str) -> bool:
    there, parts = decimal_parts(has), decimal_parts(declared)
    return (
        there is not None and parts is not None and (there[1] > parts[1] or there[0] - there[1] > parts[0] - parts[1])
    )


def _misfits(repo: Repo, source: Source, columns: Mapping[str, str]) -> Iterator[Failure]:
    """Give what of a source and its views does not fit its columns, but for views whose function says theirs."""
    try:
        type_source(source, columns)
    except FeaturectlError as error:
        yield Failure(part=f"source {source.name}", error=error)
        return
    for view in sorted(repo.views.values(), key=lambda view: view.name):
        if view.source.name == source.name and view.transform is None:
            try:
                type_view(view, columns)
            except FeaturectlError as error:
                yield Failure(part=f"view {view.name}", error=error)
