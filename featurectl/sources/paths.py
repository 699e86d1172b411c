"""The files that the path of a source means, found without opening any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from featurectl.core.errors import DataError
from featurectl.core.nearest import nearest
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.source import FILE_FORMATS, Source
from featurectl.sources.pattern import PatternError, matching_files

_MOST_NAMES: Final = 1_000  # of a folder, among which the one that was meant is looked for


def source_files(source: Source, root: Path, path: str, data_roots: DataRoots = NONE) -> list[Path]:
    """Return the files of a source, sorted; `path` is its path below the root with its variables filled in.

    Raises:
        OutsideDataError: FC535, one lies where the source may not read; nothing there is looked at.
        DataError: FC501, there is none, or the pattern is longer than is looked for; FC502, the system does not let
            this user look, or knows no such long name.
    """
    readable = ReadableFolders(source=source.name, written=source.path, root=root, roots=data_roots)
    readable.check_pattern(path)
    with _looking(source):
        files = find_files(root, path, _folder_pattern(source), readable.check)
    for file in files:
        readable.check(file)
    if not files:
        near = _near_file(root, path)
        hint = f'did you mean "{near}"?' if near else ""
        raise DataError(f"source {source.name}: no file matches {source.path}", code="FC501", hint=hint)
    return files


def _near_file(root: Path, path: str) -> str:
    """Return the path of a file that was probably meant: one of its folder, or of its name in a folder of the root."""
    wanted = Path(path)
    if wanted.is_absolute() or ".." in wanted.parts:
        return ""
    if any(mark in path for mark in "*?["):
        return _near_pattern(root, wanted)
    beside = {Path(name).stem: name for name in _names_in(root / wanted.parent)}
    near = nearest(wanted.stem, beside)
    if near:
        return str(wanted.parent / beside[near])
    return next((f"{name}/{wanted.name}" for name in _names_in(root) if (root / name / wanted.name).is_file()), "")


def _near_pattern(root: Path, wanted: Path) -> str:
    """Return the pattern that was probably meant, where a folder before its marks is not there."""
    for number, part in enumerate(wanted.parts[:-1]):
        above = root.joinpath(*wanted.parts[:number])
        if any(mark in part for mark in "*?["):
            return ""
        if not (above / part).is_dir():
            near = nearest(part, [name for name in _names_in(above) if (above / name).is_dir()])
            return str(Path(*wanted.parts[:number], near, *wanted.parts[number + 1 :])) if near else ""
    return ""


def _names_in(folder: Path) -> list[str]:
    """Return names in a folder, links and hidden ones apart; none where it can't be read."""
    try:
        with os.scandir(folder) as entries:
            shown = islice((entry for entry in entries if not entry.name.startswith((".", "_"))), _MOST_NAMES)
            return sorted(entry.name for entry in shown if not entry.is_symlink())
    except OSError:
        return []


def _folder_pattern(source: Source) -> str:
    pattern = FILE_FORMATS[source.format].folder_pattern
    assert pattern is not None, source.format
    return pattern


def check_delta_log(source: Source, root: Path) -> None:
    """See that a Delta table lies at the path of a source, below the root.

    Raises:
        OutsideDataError: FC535, it lies elsewhere.
        DataError: FC501 there is none, FC502 the system does not let this user look.
    """
    readable = ReadableFolders(source=source.name, written=source.path, root=root)
    readable.check(source.path)
    readable.check(f"{source.path}/_delta_log")
    with _looking(source):
        there = (root / source.path / "_delta_log").is_dir()
    if not there:
        raise DataError(f"source {source.name}: no Delta table at {source.path}", code="FC501")


@contextmanager
def _looking(source: Source) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"source {source.name}: {source.path} can't be looked at: {error.strerror}"
        raise DataError(message, code="FC502") from error
    except PatternError as error:
        raise DataError(f"source {source.name}: {source.path} is not looked for: {error}", code="FC501") from error


def find_files(root: Path, path: str, suffix: str, check: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Return the files of a path below the root, sorted: the file, those in the folder, or those of the pattern.

    Of a folder the files count that have the suffix (a pattern), at any depth; names that begin with `.` or `_`
    are left out. `check` is called with each link among them before it is followed.

    Raises:
        PatternError: the pattern is longer than is looked for.
        OSError: the system does not let this user look, or knows no such long name.
    """
    whole = root / path
    if whole.is_file():
        return [whole]
    if whole.is_dir():

        def check_shown(link: str) -> None:
            if not _hidden(Path(link).relative_to(whole)):
                check(link)

        found = matching_files(whole, ("**", f"*.{suffix}"), check_shown)
        return sorted(file for file in found if not _hidden(file.relative_to(whole)))
    if path.endswith("/"):  # folders alone
        return []
    absolute = Path(path).is_absolute()
    return sorted(matching_files(Path(whole.anchor) if absolute else root, Path(path).parts[absolute:], check))


def _hidden(file: Path) -> bool:
    return any(name.startswith((".", "_")) for name in file.parts)
