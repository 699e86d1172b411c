"""Rendered files on the disk: written, or compared with what they would be now."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.core.version import __version__
from featurectl.language.repository_files import is_read
from featurectl.pipelines.render.request import DeploymentsRequest, PipelineRequest, RenderedFile
from featurectl.workspace.open import find_root
from featurectl.workspace.whole_file import write_whole

FileState = Literal["written", "current", "missing", "outdated", "stale", "edited", "obsolete"]
FileKind = Literal["pipeline", "deployment"]
FRESH: Final[tuple[FileState, ...]] = ("written", "current")
_DIGITS: Final = 16
_INPUT: Final = re.compile(r"^# input ([0-9a-f]+)(?:, featurectl (\S+))?$", re.MULTILINE)
_COMMAND: Final = re.compile(r"^#   (featurectl (pipeline|deployment) render .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file as it should be, by its name in its folder; `input` and `release` stand in its header.

    `kind` is what it is of.
    """

    name: str
    text: str
    input: str
    release: str
    kind: FileKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOnDisk:
    """A file, and what became of it or is wrong with it.

    It is missing, or another release of featurectl made it, and this one would make another (outdated), or what it was
    made of has changed (stale), or its own text was (edited), or nothing is rendered into it any more (obsolete).
    `made_by` is the release that made one that is outdated, "" where it does not say so; `release` is this one.
    """

    path: Path
    state: FileState
    made_by: str = ""
    release: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """The files of a target, the names that have none there, each with the reason, and what to beware of."""

    files: tuple[FileOnDisk, ...]
    left_out: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def is_fresh(self) -> bool:
        """Whether no file is missing, outdated, stale, edited or obsolete."""
        return all(file.state in FRESH for file in self.files)


def wanted_files(request: PipelineRequest | DeploymentsRequest, rendered: Iterable[RenderedFile]) -> list[WantedFile]:
    """Return files as they should be, below a header: what made them, a hash of what it was given, and its release."""
    kind: FileKind = "pipeline" if isinstance(request, PipelineRequest) else "deployment"
    made_of = hashlib.sha256(f"{request!r}".encode()).hexdigest()[:_DIGITS]
    head = (
        "Made of the repository's files: change those, and make this one again by",
        f"  {request.command}",
        f"input {made_of}, featurectl {__version__}",
    )
    text = "".join(f"# {line}\n" for line in head) + "\n"
    return [
        WantedFile(name=file.name, text=text + file.text, input=made_of, release=__version__, kind=kind)
        for file in rendered
    ]


def write_or_check(
    wanted: Sequence[WantedFile],
    out: tuple[Path, bool],
    *,
    is_check: bool,
    left_out: Mapping[str, str],
    whole: FileKind | None = None,
) -> Rendering:
    """Write files, or compare them with those that are there; `out` is a path, and whether it is a folder.

    `whole`: these are all files of a kind that belong into the folder; others that were rendered are obsolete. They
    stay: what they started somewhere has to be ended there first.

    Raises:
        UsageError: several files go to one path, or one can't be written, or would be read as one of the repository.
    """
    place, is_folder = out
    if not is_folder and len(wanted) > 1:
        names = ", ".join(file.name for file in wanted)
        raise UsageError(f"--out {place} is one file, and there are {len(wanted)}: {names}", hint=f"--out {place}/")
    files = []
    for file in wanted:
        path = place / file.name if is_folder else place
        if is_check:
            files.append(_compared(path, file))
        else:
            _check_other(path, file)
            _write(path, file.text)
            files.append(FileOnDisk(path=path, state="written"))
    if whole is not None:
        written = {file.path for file in files}
        files += [FileOnDisk(path=path, state="obsolete") for path in _rendered_in(place, whole) if path not in written]
    return Rendering(files=tuple(files), left_out=left_out)


def _rendered_in(folder: Path, kind: FileKind) -> list[Path]:
    """Return the files of a folder that were rendered of a kind, in the order of their names."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and _kind_in(_text(path)) == kind)
    except FileNotFoundError:
        return []


def _kind_in(text: str) -> str:
    """Return of what kind a rendered file is; "": it was not rendered."""
    found = _COMMAND.search(text)
    return found[2] if found and _INPUT.search(text) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error


def _compared(path: Path, file: WantedFile) -> FileOnDisk:
    try:
        found = _text(path)
    except (FileNotFoundError, NotADirectoryError):
        return FileOnDisk(path=path, state="missing")
    if _without_release(found) == _without_release(file.text):
        return FileOnDisk(path=path, state="current")
    header = _INPUT.search(found)
    if header is None:
        return FileOnDisk(path=path, state="stale")
    if header[2] != file.release:  # whose hashes may be of something else
        return FileOnDisk(path=path, state="outdated", made_by=header[2] or "", release=file.release)
    return FileOnDisk(path=path, state="edited" if header[1] == file.input else "stale")


def _without_release(text: str) -> str:
    r"""Return the text of a file without the release in its header.

    >>> _without_release("# input 0123456789abcdef, featurectl 1.2\nname: x\n")
    '# input 0123456789abcdef\nname: x\n'
    """
    return _INPUT.sub(r"# input \1", text, count=1)


def _check_other(path: Path, file: WantedFile) -> None:
    """Refuse to write over a file that is of something else, or that a person wrote."""
    if not path.is_file():
        return
    found = _text(path)
    kind = _kind_in(found)
    if kind and kind != file.kind:
        command = _COMMAND.search(found)
        message = f"{path} is the {kind}'s of that name" + (f", by `{command[1]}`" if command else "")
        raise UsageError(message, hint="name one of both otherwise, or write with --out")
    if not kind and found.strip():
        raise UsageError(f"{path} is there and was not rendered", hint="move it away, or write with --out")


def _write(path: Path, text: str) -> None:
    try:
        root = find_root(path.parent, above=True)
    except UsageError:  # of no repository
        root = None
    if root is not None and is_read(root, path):
        raise UsageError(f"--out {path} would be read as a file of the repository", hint="put it below deploy/")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise write_failure(f"{path} can't be written", error) from error
