"""Files that stages write, by the options that name them, where the disk below them is read-only or ends with them."""

from __future__ import annotations

import posixpath
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.language.commands.read import read_command
from featurectl.language.definitions.pipelines import Pipeline
from featurectl.pipelines.render.base import Site

WRITTEN: Final = ("--out", "--html", "--grafana", "--textfile", "--write-allow")  # options that name what is written
_ELSEWHERE: Final = "name a path on a volume that you add to the pod or, of scores, a table of a database or a topic"
TMP: Final = "/tmp"  # noqa: S108 (that each host and pod has)
_OF_KERNEL: Final = ("/dev", "/proc", "/sys")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutput:
    """What a stage writes on a disk: in words, its path as it stands, and the folder that has to be writable."""

    shown: str
    path: str
    folder: str


def unwritable_outputs(site: Site, pipeline: Pipeline) -> tuple[str, ...]:
    """Return that stages write below the root of a pod, which is read-only; nothing where none does."""
    found = [output.shown for output in _outputs(site, pipeline) if not _is_writable(site, output.path)]
    if not found:
        return ()
    return (f"the file system of a pod is read-only, and stages write there: {', '.join(found)}; {_ELSEWHERE}",)


def volumes_comment(site: Site, pipeline: Pipeline) -> list[str]:
    """Return where volumes have to be added to pods, as stages write there; nothing where none does."""
    outputs = [output for output in _outputs(site, pipeline) if output.path.startswith("/")]
    found = [output.shown for output in outputs if not is_below(output.path, site.folder, TMP, *_OF_KERNEL)]
    return [f"Mount volumes of yours where stages write: {', '.join(found)}."] if found else []


def passing_outputs(site: Site, pipeline: Pipeline) -> tuple[str, ...]:
    """Return that what stages write on a disk ends with their jobs; nothing where none does."""
    found = [output.shown for output in _outputs(site, pipeline)]
    if not found:
        return ()
    kept = "keep it by a step of your own or, of scores, name a table of a database or a topic"
    return (f"what stages write on a disk ends with their jobs: {', '.join(found)}; {kept}",)


def written_folders(site: Site, pipeline: Pipeline) -> list[str]:
    """Return the folders of a host that stages write into, beside the repository's and /tmp; `/` is none."""
    found = {output.folder for output in _outputs(site, pipeline)} - {"/"}
    return sorted(folder for folder in found if not is_below(folder, site.folder, TMP, *_OF_KERNEL))


def outputs_in_root(site: Site, pipeline: Pipeline) -> tuple[str, ...]:
    """Return that stages write into `/`, where a service may not; nothing where none does."""
    found = [output.shown for output in _outputs(site, pipeline) if output.folder == "/"]
    if not found:
        return ()
    return (f"a service may not write into the folder /, and stages do: {', '.join(found)}; name a folder below it",)


def is_below(path: str, *folders: str) -> bool:
    """Return whether a path is one of some folders, or lies in one.

    >>> is_below("/data/a", "/data"), is_below("/data", "/data"), is_below("/database", "/data", "/srv")
    (True, True, False)
    """
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _outputs(site: Site, pipeline: Pipeline) -> list[StageOutput]:
    """Return what stages write on a disk."""
    commands = [(stage.name, read_command(stage.run)) for stage in pipeline.stages]
    return [
        StageOutput(shown=f"{name} ({flag} {value})", path=path, folder=_folder_of(site, command.name, path))
        for name, command in commands
        for flag, value in command.options
        if flag in WRITTEN and (path := _path_of(value))
    ]


def _path_of(value: str) -> str:
    """Return the path on a disk that an output is; "": it is none.

    >>> [_path_of(text) for text in ("rows/", "sqlite:///s.db?table=t", "topic:scores", "bigquery://a/b/c")]
    ['rows/', 's.db', '', '']
    """
    if value.startswith("sqlite:///"):
        return value.removeprefix("sqlite:///").partition("?")[0]
    return "" if value.startswith("topic:") or "://" in value else value


def _folder_of(site: Site, command: str, path: str) -> str:
    """Return the folder that a command writes into for a path: what is written has another name until it is whole.

    Scores go into a folder that is named as one, by a / at its end or no ending of a file.
    """
    whole = posixpath.normpath(posixpath.join(site.folder, path))
    is_folder = command == "score" and (path.endswith("/") or not posixpath.splitext(path)[1])
    return whole if is_folder else posixpath.dirname(whole)


def _is_writable(site: Site, path: str) -> bool:
    """Return whether a path is on a volume: one that every pod has, or one that somebody has added by its path."""
    inner = path.removeprefix(f"{site.folder}/")
    return inner.startswith(("/", ".featurectl/"))
